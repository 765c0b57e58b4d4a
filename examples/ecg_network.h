/* ecg_network.h - the network of ecg.c: a residual network along time, and what makes two views of one window.
 *
 *     node *x = op_reshape(windows, SHAPE(N, L, 1));                       // any length from 32 on
 *     node *h = ecg_encoder(f.nodes, x);                                   // [N, ECG_FEATURES]
 *     node *z = ecg_projection(f.nodes, h);                                // for the contrastive loss alone
 *
 * Seven convolutions in a stem and three blocks (each halves the time), RMS norms over the channels, the mean over time. A small relative
 * of the one-dimensional ResNet-18 that Raghu et al. (arXiv 2111.01754) use; the warp of time is theirs, too.
 */
#ifndef ASSAY_EXAMPLES_ECG_NETWORK_H
#define ASSAY_EXAMPLES_ECG_NETWORK_H

#include "fit.h"

enum { ECG_FEATURES = 64, ECG_ENCODER_WEIGHTS = 17, ECG_WEIGHTS = ECG_ENCODER_WEIGHTS + 3 };
/* The encoder's come first. */
extern const fit_weight ecg_weights[ECG_WEIGHTS];

/* x [N, L, 1]. */
node *ecg_encoder(node *const *w, node *x);
node *ecg_projection(node *const *w, node *h);

/* How far a view may be from its window. */
typedef struct ecg_views {
    double warp;  /* standard deviation of the velocities, in samples, before they are smoothed */
    double noise; /* standard deviation of what is added to each sample */
} ecg_views;

/* Windows [N, L] changed at random (L a multiple of 4): time runs along a smooth random field, and noise is added. Velocities are drawn at a
 * quarter of the rate, integrated in five squarings (op_flow), brought to the full rate, and smoothed by a Gaussian of 25 samples;
 * the window is read between its samples there. key: i32 [2, 4], for the field and for the noise. */
node *ecg_view(node *windows, node *key, ecg_views o);

#endif
