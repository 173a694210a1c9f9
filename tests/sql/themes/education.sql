-- How many pupils reach grade 5 in English and mathematics? (oracle)
SELECT authority, COUNT(*) FILTER (WHERE maths >= 5 AND english >= 5) AS strong, COUNT(*) AS pupils_ FROM pupils GROUP BY authority ORDER BY authority;

-- What is the gap between pupils with and without free meals? (oracle)
SELECT AVG(attainment) FILTER (WHERE NOT free_meals) - AVG(attainment) FILTER (WHERE free_meals) AS gap FROM pupils;

-- How are grades distributed? (oracle)
SELECT maths AS grade, COUNT(*) AS pupils_ FROM pupils GROUP BY grade ORDER BY grade;

-- Do pupils born in summer do worse? (oracle)
SELECT month(born) AS month_, AVG(attainment) AS mean_score FROM pupils GROUP BY month_ ORDER BY month_;

-- What is the middle score by type of school and sex, with totals? (oracle)
SELECT school_type, sex, MEDIAN(attainment) AS middle FROM pupils GROUP BY ROLLUP (school_type, sex) HAVING COUNT(attainment) > 0;

-- Does absence go with low attainment?
SELECT CORR(attainment, absence) AS r, REGR_SLOPE(attainment, absence) AS per_point, REGR_R2(attainment, absence) AS explained FROM pupils;

-- How many are persistently absent?
SELECT authority, COUNT_IF(absence >= 10) AS absent, COUNT(absence) AS known FROM pupils GROUP BY authority;

-- How far apart are the tenths?
SELECT QUANTILE_CONT(attainment, 0.1) AS p10, QUANTILE_CONT(attainment, 0.5) AS p50, QUANTILE_CONT(attainment, 0.9) AS p90 FROM pupils;

-- How varied are results within types of school?
SELECT school_type, VAR_SAMP(attainment) AS variance_, STDDEV_POP(maths) AS maths_spread FROM pupils GROUP BY school_type;

-- How do boys and girls compare in each subject?
SELECT sex, AVG(maths) AS maths_mean, AVG(english) AS english_mean, AVG(english - maths) AS difference FROM pupils GROUP BY sex ORDER BY sex;

-- What do pupils score in bands of ten points?
SELECT FLOOR(attainment / 10) * 10 AS band, language, COUNT(*) AS pupils_ FROM pupils GROUP BY band, language ORDER BY band, language;

-- How many changed from the threshold, as a rate?
WITH scored AS (SELECT authority, maths + english AS points FROM pupils WHERE school_type IN ('academy', 'maintained')), passed AS (SELECT authority, points >= 10 AS pass_ FROM scored) SELECT authority, ROUND(100.0 * COUNT_IF(pass_) / COUNT(*), 1) AS rate FROM passed GROUP BY authority;
