/* power.h - how many items a question needs, and what so many items can show. Two-sided alpha; sizes are rounded up.
 *
 *     double n = sample_two_shares(.05, .10, .05, .80);          // 435 an arm
 *     double p = power_two_shares(200, .05, .10, .05);           // .48: 200 an arm would miss it half of the time
 *     double m = sample_two_means(.5, 1, .05, .80);              // 64 an arm, by the t test
 *
 * Shares and areas: the normal approximations of the textbooks (Fleiss, Statistical Methods for Rates and Proportions, 1981, chapter 3; Miettinen
 * 1968 for pairs). Means: the t test exactly, by Student's noncentral distribution. Nothing to be seen (a difference of 0) needs
 * infinitely many items; shares outside of [0, 1], spreads not above 0 and levels outside of (0, 1) give NaN.
 */
#ifndef ASSAY_STATS_POWER_H
#define ASSAY_STATS_POWER_H

/* Items per arm to tell share p1 from p2. */
double sample_two_shares(double p1, double p2, double alpha, double power);
/* The chance that so many items an arm tell p1 from p2. */
double power_two_shares(double n, double p1, double p2, double alpha);
/* Items to tell share p1 from a known p0. */
double sample_one_share(double p0, double p1, double alpha, double power);
/* Pairs to see difference D between two arms on the same items, where a share pd of them is discordant (McNemar). */
double sample_paired_shares(double difference, double discordant, double alpha, double power);
double power_paired_shares(double n, double difference, double discordant, double alpha);
/* Pairs (or items against a known mean) to see a difference of means when single differences have standard deviation sd, and items
 * per arm for two independent samples of that deviation: by the t test. */
double sample_one_mean(double difference, double sd, double alpha, double power);
double sample_two_means(double difference, double sd, double alpha, double power);
double power_one_mean(double n, double difference, double sd, double alpha);
double power_two_means(double n, double difference, double sd, double alpha);
/* sample_one_mean as if the deviation were known (the normal formula of instrument_calibration.md 4.9): about two pairs fewer. */
double sample_paired_means(double difference, double sd, double alpha, double power);
/* Items per class to tell an area under the ROC curve from 1/2. */
double sample_auroc(double area, double alpha, double power);
/* Factor on n for clusters of m items with intraclass correlation rho. */
double design_effect(double m, double rho);
/* Cost-optimal items per seed. */
double items_per_seed(double seed_cost, double item_cost, double item_variance, double tau);
/* The smallest difference that n pairs show with the given power when a share `discordant` of pairs differs. */
double detectable_paired(double n, double discordant, double alpha, double power);

#endif
