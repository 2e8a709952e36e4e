/* The whole driver interface. */
#ifndef BANOS_BANOS_H
#define BANOS_BANOS_H

#include <banos/chrdev.h>
#include <banos/driver.h>
#include <banos/family.h>
#include <banos/fs.h>
#include <banos/ldisc.h>
#include <banos/memory.h>
#include <banos/module.h>
#include <banos/print.h>
#include <banos/probe.h>
#include <banos/proc.h>
#include <banos/scheduler.h>
#include <banos/syscall.h>
#include <banos/sysfs.h>
#include <banos/task.h>
#include <banos/time.h>
#include <banos/tty.h>
#include <banos/wait.h>

#endif
