// Small comforts. Every page works without this file; nothing here asks any other server.
"use strict";

// After a form came back with an error, the summary is where reading starts.
document.getElementById("errors")?.focus();
