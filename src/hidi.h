/* hidi.h - the public interface of libhidi: includes every other public header.
 *
 * Compile and link with `pkg-config --cflags --libs hidi`.
 */
#ifndef HIDI_HIDI_H
#define HIDI_HIDI_H

#include "core/arena.h"
#include "core/progress.h"
#include "core/random.h"
#include "core/real.h"
#include "core/status.h"
#include "backend/backend.h"
#include "tensor/shape.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/params.h"
#include "autograd/tape.h"
#include "io/atomic_file.h"
#include "io/config.h"
#include "io/csv.h"
#include "io/image.h"
#include "io/number.h"
#include "io/plot.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "data/dataset.h"
#include "metrics/frechet.h"
#include "metrics/precision_recall.h"
#include "metrics/spectrum.h"
#include "model/dit.h"
#include "model/feature_net.h"
#include "model/heads.h"
#include "model/params_file.h"
#include "method/batch.h"
#include "method/classifier.h"
#include "method/distill_dm.h"
#include "method/distill_td.h"
#include "method/dmd.h"
#include "method/flow.h"
#include "method/meanflow.h"
#include "method/optimizer.h"
#include "method/sampler.h"
#include "method/teacher.h"
#include "method/times.h"
#include "method/training.h"

#endif
