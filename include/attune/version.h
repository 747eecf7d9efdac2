/* version: the one place that names the release. */
#ifndef ATTUNE_VERSION_H
#define ATTUNE_VERSION_H

#define ATTUNE_VERSION "0.1.0"

#endif
