-- How many claims start each month? (oracle)
SELECT date_trunc('month', started) AS month_, COUNT(*) AS claims_ FROM claims GROUP BY month_ ORDER BY month_;

-- How many people claim at each office? (oracle)
SELECT office, COUNT(DISTINCT nino) AS people, COUNT(*) AS claims_ FROM claims GROUP BY office ORDER BY office;

-- What is the average award by household, in work and out of work? (oracle)
SELECT household, in_work, AVG(award) AS mean_award FROM claims GROUP BY CUBE (household, in_work) HAVING COUNT(award) > 0;

-- How long do claims last? (oracle tolerance=0.5)
SELECT office, AVG(date_diff('day', started, ended)) AS days, MEDIAN(date_diff('month', started, ended)) AS months_ FROM claims WHERE ended >= started GROUP BY office ORDER BY office;

-- What share of claims has a sanction?
SELECT office, COUNT(*) FILTER (WHERE sanction <> 'none') / COUNT(*) AS share FROM claims GROUP BY office;

-- How do awards rise with the number of children?
SELECT children, COUNT(*) AS claims_, AVG(award) AS mean_award FROM claims GROUP BY children ORDER BY children;

-- By how much does an extra child raise the award?
SELECT REGR_SLOPE(award, children) AS per_child, REGR_INTERCEPT(award, children) AS without FROM claims;

-- How old are people when they claim?
SELECT (year(started) - year(born)) // 10 * 10 AS decade, COUNT(*) AS claims_ FROM claims GROUP BY decade ORDER BY decade;

-- What is the highest monthly award that all but a hundredth stay below?
SELECT household, MAX(award) AS nearly_highest FROM claims GROUP BY household;

-- Which offices have more than a thousand claims from families?
SELECT office, COUNT(*) AS claims_ FROM claims WHERE household LIKE '%with children' GROUP BY office HAVING COUNT(*) > 1000 ORDER BY claims_ DESC;

-- What is paid a month, by household, with totals?
SELECT household, GROUPING(household) AS is_total, SUM(award) AS paid_out FROM claims WHERE ended >= '2024-12-01' GROUP BY ROLLUP (household);

-- How do claims on weekdays compare?
SELECT isodow(started) AS weekday, COUNT(*) AS claims_, ROUND(AVG(award), 2) AS mean_award FROM claims GROUP BY 1 ORDER BY 1;
