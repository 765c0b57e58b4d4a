#include "stats/choice.h"

#include <math.h>

choice_score choice_of(const double *logprobs, size_t count, size_t answer)
{
    choice_score s = {.loss = NAN, .share = NAN, .total = -INFINITY};
    if (count == 0)
        return s;
    for (size_t i = 1; i < count; i++)
        s.best = logprobs[i] > logprobs[s.best] ? i : s.best;
    double most = logprobs[s.best], sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += most == -INFINITY ? 0 : exp(logprobs[i] - most);
        s.tied = s.tied || (i != s.best && logprobs[i] == most);
    }
    s.total = most == -INFINITY ? -INFINITY : most + log(sum);
    s.mass = exp(s.total);
    if (answer < count) {
        s.right = s.best == answer;
        s.loss = s.total - logprobs[answer];
        s.share = exp(-s.loss);
    }
    return s;
}

double choice_matches(const double *logprobs, size_t count)
{
    double best = -INFINITY;
    for (size_t i = 1; i < count; i++)
        best = fmax(best, logprobs[i]);
    return logprobs[0] > best ? 1 : logprobs[0] < best ? 0 : .5;
}

double choice_logodds(const double plain[2], const double biased[2], size_t answer)
{
    double delta = plain[0] - plain[1] - (biased[0] - biased[1]);
    return answer == 1 ? -delta : delta;
}

double choice_invert_accuracy(double accuracy)
{
    return 1 - accuracy;
}

double choice_invert_loss(double loss)
{
    return -log(-expm1(-loss));
}

double choice_chance_accuracy(size_t classes)
{
    return 1 / (double)classes;
}

double choice_chance_loss(size_t classes)
{
    return log((double)classes);
}
