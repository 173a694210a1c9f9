// Small comforts. Every page works without this file; nothing here asks any other server.
"use strict";

// After a form came back with an error, the summary is where reading starts.
document.getElementById("errors")?.focus();

// A statement is checked while it is written: half a second after the last key.
const statement = document.querySelector("textarea[data-check]");
if (statement) {
  const verdict = document.getElementById("verdict");
  const csrf = statement.form.elements.csrf.value;
  let timer = 0;
  let asked = 0;
  const show = (kind, words) => {
    verdict.className = `verdict ${kind}`;
    verdict.textContent = words;
    verdict.hidden = !words;
  };
  const check = async () => {
    const mine = ++asked;
    if (!statement.value.trim()) return show("", "");
    try {
      const body = new URLSearchParams({ csrf, sql: statement.value });
      const answer = await fetch(statement.dataset.check, { method: "POST", body });
      if (!answer.ok || mine !== asked) return;
      const found = await answer.json();
      if (found.verdict === "accept") show("accept", `This can be asked. Columns: ${found.columns.join(", ")}.`);
      else show("refuse", `${found.message} ${found.hint} (${found.code})`);
    } catch {
      show("", "");
    }
  };
  statement.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, 500);
  });
  if (!document.getElementById("errors")) check();
}

// The choices of epsilon as a slider: it moves the radio buttons of the table, and says what they say.
const slider = document.getElementById("slider");
const choices = [...document.querySelectorAll('.ladder input[type="radio"]')];
if (slider && choices.length) {
  const label = document.createElement("label");
  label.htmlFor = "epsilon-range";
  label.textContent = "Slide to another epsilon";
  const range = Object.assign(document.createElement("input"), {
    type: "range", id: "epsilon-range", min: 0, max: choices.length - 1, step: 1,
  });
  const output = document.createElement("output");
  output.htmlFor = "epsilon-range";
  const heads = [...document.querySelectorAll(".ladder thead th")].slice(1, -1).map((th) => th.textContent.trim());
  const words = (choice) => {
    const cells = [...choice.closest("tr").querySelectorAll("td.number")].map((td) => td.textContent.trim());
    return `Epsilon ${choice.value}: ` + heads.map((head, i) => `${head.replace(/^± of /, "")} ${cells[i]}`).join("; ");
  };
  const follow = () => {
    const place = Math.max(0, choices.findIndex((choice) => choice.checked));
    range.value = place;
    output.textContent = words(choices[place]);
    range.setAttribute("aria-valuetext", output.textContent);
  };
  range.addEventListener("input", () => {
    choices[Number(range.value)].checked = true;
    const own = document.getElementById("own_epsilon");
    if (own) own.value = "";
    follow();
  });
  choices.forEach((choice) => choice.addEventListener("change", follow));
  slider.append(label, range, output);
  slider.hidden = false;
  follow();
}

// What is under way is shown as it goes: this page is fetched again each second, and its live part replaced.
const live = document.getElementById("live");
if (live && live.dataset.live === "on" && !document.querySelector('meta[http-equiv="refresh"]')) {
  const here = new URL(location.href);
  here.searchParams.delete("said");
  const look = async () => {
    try {
      const answer = await fetch(here);
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.getElementById("live");
      if (!found) return;
      if (found.dataset.live !== "on") return location.replace(here);
      found.querySelectorAll(".again").forEach((words) => words.remove());
      if (found.innerHTML !== live.innerHTML) live.replaceChildren(...found.childNodes);
    } catch {
      // the desk was closed, or is busy: the next look tells
    }
    setTimeout(look, 1000);
  };
  live.querySelectorAll(".again").forEach((words) => words.remove());
  setTimeout(look, 1000);
}
