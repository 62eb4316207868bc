/* hidi.h - the public interface of libhidi: includes every other public header.
 *
 *     const hidi_backend *backend;
 *     hidi_dit *student;
 *     hidi_real e[16 * 3 * 16 * 16]; // noise on the way in, images [16, 3, 16, 16] on the way out
 *     int32_t y[16];
 *     const hidi_sampler sampler = {.solver = HIDI_AVERAGE, .steps = 1, .batch = 16};
 *
 *     HIDI_TRY(hidi_backend_open("cpu", &backend));
 *     HIDI_TRY(hidi_dit_load(&student, backend, "run-shapes/stage2.safetensors"));
 *     hidi_tape *tape = hidi_tape_create(backend);
 *     hidi_sample_inputs(1, &student->config, 0, 16, e, y);
 *     HIDI_TRY(hidi_sample(&sampler, student, tape, e, y, 16, NULL));
 *     hidi_tape_destroy(tape);
 *     hidi_dit_destroy(student);
 *
 * Every function that can fail returns a hidi_status, which HIDI_TRY hands on; the reason is
 * hidi_error_message().  The order of the headers is that of the layers: each needs only those
 * before it.  examples/ has whole programs.  Compile and link with `pkg-config --cflags --libs hidi`.
 */
#ifndef HIDI_HIDI_H
#define HIDI_HIDI_H

#include "core/arena.h"
#include "core/hash.h"
#include "core/progress.h"
#include "core/random.h"
#include "core/real.h"
#include "core/status.h"
#include "core/threads.h"
#include "backend/backend.h"
#include "backend/dense.h"
#include "tensor/shape.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/params.h"
#include "autograd/tape.h"
#include "io/atomic_file.h"
#include "io/config.h"
#include "io/csv.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/number.h"
#include "io/open_tensors.h"
#include "io/plot.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "io/torch_file.h"
#include "data/dataset.h"
#include "data/image_source.h"
#include "metrics/frechet.h"
#include "metrics/inception_score.h"
#include "metrics/kernel_distance.h"
#include "metrics/numpy_random.h"
#include "metrics/precision_recall.h"
#include "metrics/spectrum.h"
#include "metrics/statistics_file.h"
#include "model/dit.h"
#include "model/extractor.h"
#include "model/feature_net.h"
#include "model/heads.h"
#include "model/inception.h"
#include "model/macs.h"
#include "model/params_file.h"
#include "method/batch.h"
#include "method/classifier.h"
#include "method/defects.h"
#include "method/distill_dm.h"
#include "method/distill_td.h"
#include "method/dmd.h"
#include "method/flow.h"
#include "method/meanflow.h"
#include "method/optimizer.h"
#include "method/progressive.h"
#include "method/sampler.h"
#include "method/teacher.h"
#include "method/times.h"
#include "method/training.h"

#endif
