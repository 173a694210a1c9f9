-- How many stays and patients had each trust? (oracle)
SELECT trust, COUNT(*) AS stays_, COUNT(DISTINCT nhs_number) AS people FROM stays GROUP BY trust ORDER BY trust;

-- How long do people stay, by specialty? (oracle)
SELECT specialty, AVG(nights) AS mean_nights, MEDIAN(nights) AS middle, QUANTILE_CONT(nights, 0.9) AS p90 FROM stays GROUP BY specialty ORDER BY specialty;

-- What do emergency and planned stays cost? (oracle)
SELECT emergency, SUM(cost) AS total, AVG(cost) AS each_ FROM stays WHERE emergency IS NOT NULL GROUP BY emergency;

-- How do admissions vary over the year? (oracle)
SELECT quarter(admitted) AS q, specialty, COUNT(*) AS stays_ FROM stays GROUP BY GROUPING SETS ((q, specialty), (q), ()) HAVING COUNT(*) > 0;

-- Is blood pressure related to weight? (oracle tolerance=0.001)
SELECT CORR(systolic, bmi) AS r, COUNT(*) AS stays_ FROM stays WHERE age >= 18;

-- Which share of stays is longer than three weeks?
SELECT trust, AVG(CASE WHEN nights > 21 THEN 1.0 ELSE 0 END) AS long_stays FROM stays GROUP BY trust;

-- How old are patients, in bands of ten years?
SELECT age // 10 * 10 AS decade, COUNT(*) AS stays_, SUM(nights) AS bed_days FROM stays GROUP BY decade ORDER BY decade;

-- How are weights spread?
SELECT CASE WHEN bmi < 18.5 THEN 'under' WHEN bmi < 25 THEN 'healthy' WHEN bmi < 30 THEN 'over' ELSE 'obese' END AS weight, COUNT(bmi) AS stays_ FROM stays WHERE bmi IS NOT NULL GROUP BY weight;

-- How much does the cost of a night differ?
SELECT specialty, SUM(cost) / SUM(nights) AS per_night, STDDEV(cost) AS spread FROM stays GROUP BY specialty;

-- Do stays differ with deprivation?
SELECT deprivation, COUNT(*) AS stays_, AVG(nights) AS mean_nights FROM stays JOIN patients ON nhs_number = patient GROUP BY deprivation ORDER BY deprivation;

-- How many patients had no stay?
SELECT sex, COUNT(*) AS people FROM patients WHERE NOT EXISTS (SELECT 1 FROM stays WHERE nhs_number = patient) GROUP BY sex;

-- How many nights does a patient spend in a year?
SELECT AVG(total) AS mean_nights, COUNT(*) AS people FROM (SELECT nhs_number, SUM(nights) AS total FROM stays GROUP BY nhs_number) AS per_patient;
