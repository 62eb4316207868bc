/* describe_configuration.h - what `hidi info` says about a configuration before it runs. */
#ifndef HIDI_LAB_DESCRIBE_CONFIGURATION_H
#define HIDI_LAB_DESCRIBE_CONFIGURATION_H

#include "lab/session.h"

/* Prints the data set, the networks with their parameters and arithmetic, and the memory that a
 * step of each training and of sampling needs. */
hidi_status hidi_describe_configuration(const hidi_session *session);

#endif
