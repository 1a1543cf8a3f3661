#ifndef COORD_CZEROMQ_SHIM_H
#define COORD_CZEROMQ_SHIM_H

#include <zmq.h>

#endif
