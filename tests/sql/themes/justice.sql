-- How many cases of each offence were received each year? (oracle)
SELECT year(received) AS year_, offence, COUNT(*) AS cases_ FROM cases GROUP BY ALL;

-- What is the rate of conviction by plea? (oracle)
SELECT plea, COUNT(*) FILTER (WHERE convicted) AS found_guilty, COUNT(convicted) AS decided FROM cases GROUP BY plea;

-- How long do cases take, by court? (oracle tolerance=1)
SELECT court, MEDIAN(date_diff('day', received, finished)) AS middle_days, AVG(date_diff('day', received, finished)) AS mean_days FROM cases WHERE finished >= received GROUP BY court ORDER BY court;

-- What is the backlog at the end of 2023? (oracle)
SELECT court, COUNT(*) AS open_cases FROM cases WHERE received <= DATE '2023-12-31' AND finished > DATE '2023-12-31' GROUP BY court ORDER BY court;

-- How long are sentences of custody? (oracle)
SELECT offence, AVG(custody_months) AS mean_months, QUANTILE_DISC(custody_months, 0.75) AS upper_quarter FROM cases WHERE custody_months > 0 GROUP BY offence ORDER BY offence;

-- What share of defendants was remanded, by court and in all?
SELECT court, AVG(remanded::INTEGER) AS remanded_share FROM cases GROUP BY ROLLUP (court);

-- How do hearings relate to the length of a case?
SELECT REGR_SLOPE(finished - received, hearings) AS days_per_hearing, CORR(finished - received, hearings) AS r FROM cases;

-- How many defendants are under 18, 18 to 24, and older?
SELECT CASE WHEN age < 18 THEN 'child' WHEN age < 25 THEN 'young adult' ELSE 'adult' END AS group_, COUNT(DISTINCT pnc_id) AS people FROM cases GROUP BY group_;

-- How many cases ended within half a year?
SELECT court, COUNT_IF(finished - received <= 180) AS quick, COUNT(finished) AS finished_cases, COUNT_IF(finished - received <= 180) / COUNT(finished) AS share FROM cases GROUP BY court;

-- How uneven are sentences for fraud?
SELECT STDDEV(custody_months) AS spread, MIN(custody_months) AS least_, MAX(custody_months) AS most_ FROM cases WHERE offence = 'fraud' AND convicted;

-- Which offences have over fifty hearings a month?
SELECT offence, date_trunc('month', received) AS month_, SUM(hearings) AS hearings_ FROM cases GROUP BY offence, month_ HAVING SUM(hearings) > 50 ORDER BY hearings_ DESC LIMIT 20;

-- How do violence and other offences compare?
SELECT offence = 'violence' AS violent, COUNT(*) AS cases_, AVG(hearings) AS mean_hearings FROM cases GROUP BY violent;
