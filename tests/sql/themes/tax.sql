-- How many people filed, by region? (oracle)
SELECT region, COUNT(*) AS people FROM returns GROUP BY region ORDER BY region;

-- What are median and mean profits by trade? (oracle tolerance=40)
SELECT trade, COUNT(*) AS people, AVG(profit) AS mean_profit, MEDIAN(profit) AS middle FROM returns WHERE trade <> 'none' GROUP BY trade ORDER BY trade;

-- What share of returns come online, month by month? (oracle)
SELECT date_trunc('month', filed_on) AS month_, AVG(CASE WHEN online THEN 1 ELSE 0 END) AS online_share FROM returns GROUP BY month_ ORDER BY month_;

-- How are profits spread over bands of 10,000 pounds? (oracle)
SELECT FLOOR(profit / 10000) * 10000 AS band, COUNT(*) AS people FROM returns WHERE profit IS NOT NULL GROUP BY band ORDER BY band;

-- How much tax is due by region, with the total for the country? (oracle)
SELECT COALESCE(region, 'all') AS place, SUM(tax_due) AS due FROM returns GROUP BY ROLLUP (region);

-- What is the effective rate of tax by age group? (oracle tolerance=0.001)
SELECT CASE WHEN age < 30 THEN 'under 30' WHEN age < 60 THEN '30 to 59' ELSE '60 and over' END AS ages, SUM(tax_due) / SUM(profit) AS rate FROM returns GROUP BY ages;

-- What do the top and bottom tenths earn?
SELECT QUANTILE_CONT(profit, 0.1) AS p10, QUANTILE_CONT(profit, 0.9) AS p90, QUANTILE_CONT(profit, 0.9) / QUANTILE_CONT(profit, 0.1) AS ratio_ FROM returns;

-- Does pension saving rise with profit?
SELECT CORR(pension_paid, profit) AS r, REGR_SLOPE(pension_paid, profit) AS per_pound FROM returns WHERE age BETWEEN 25 AND 64;

-- How many file in the last week?
SELECT COUNT_IF(filed_on >= DATE '2025-01-25' AND filed_on <= DATE '2025-01-31') AS last_week, COUNT(*) AS all_ FROM returns;

-- How uneven are profits within each trade?
SELECT trade, STDDEV(profit) AS spread, STDDEV(profit) / AVG(profit) AS relative FROM returns GROUP BY trade HAVING COUNT(*) > 100;

-- How much is paid by kind of payment, quarter by quarter?
SELECT date_trunc('quarter', paid) AS quarter_, kind, SUM(amount) AS paid_sum, COUNT(*) AS payments_ FROM payments GROUP BY ALL;

-- How many people paid a penalty, by region?
SELECT region, COUNT(DISTINCT utr) AS people FROM returns JOIN payments ON utr = payer WHERE kind = 'penalty' GROUP BY region;
