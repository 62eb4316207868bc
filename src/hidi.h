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
 * hidi_error_message().  The library does not print or exit, and may be called by several threads
 * at a time on different objects; each has error messages of its own.  What belongs to the program
 * around it stays: numbers of threads of OpenMP and BLAS are put back after each use.
 *
 * Programs say #include <hidi/hidi.h>, or <hidi/ROOM/NAME.h>; examples/ has whole ones.  Compile
 * and link with `pkg-config --cflags --libs hidi`.  The order below is that of the rooms: each
 * header needs only those before it, and those of its own room.
 */
#ifndef HIDI_HIDI_H
#define HIDI_HIDI_H

#include "core/arena.h"
#include "core/bf16.h"
#include "core/progress.h"
#include "core/random.h"
#include "core/real.h"
#include "core/status.h"
#include "core/stop.h"
#include "core/version.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/differences.h"
#include "io/image.h"
#include "io/open_tensors.h"
#include "io/picture_file.h"
#include "io/plot.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "backend/backend.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/params.h"
#include "autograd/shape.h"
#include "autograd/tape.h"
#include "data/captions.h"
#include "data/dataset.h"
#include "data/embeddings.h"
#include "data/image_source.h"
#include "data/scenes.h"
#include "model/chain.h"
#include "model/condition.h"
#include "model/autoencoder.h"
#include "model/dit.h"
#include "model/macs.h"
#include "model/params_file.h"
#include "method/adversarial.h"
#include "method/autoencoder_loss.h"
#include "method/dmd.h"
#include "method/flow.h"
#include "method/heads.h"
#include "method/meanflow.h"
#include "method/progressive.h"
#include "method/sampler.h"
#include "method/times.h"
#include "eval/class_counts.h"
#include "eval/damage.h"
#include "eval/defects.h"
#include "eval/detection.h"
#include "eval/extractor.h"
#include "eval/feature_net.h"
#include "eval/frechet.h"
#include "eval/image_set.h"
#include "eval/inception.h"
#include "eval/inception_score.h"
#include "eval/kernel_distance.h"
#include "eval/measure.h"
#include "eval/metrics.h"
#include "eval/one_call.h"
#include "eval/precision_recall.h"
#include "eval/requests.h"
#include "eval/samples.h"
#include "eval/scene_view.h"
#include "eval/spectrum.h"
#include "eval/statistics_file.h"
#include "train/adversary.h"
#include "train/autoencoder_training.h"
#include "train/batch.h"
#include "train/classifier.h"
#include "train/detection.h"
#include "train/loop.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/stage1.h"
#include "train/stage2.h"
#include "train/task.h"
#include "train/teacher.h"
#include "train/terms.h"
#include "train/workers.h"

#endif
