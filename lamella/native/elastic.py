"""The outermost loops of a program: steps, the stop flag, and when one thread goes on alone.

Thread 0 counts steps and passes the stop flag on, and all threads leave at the same step boundary. A core that another process
needs would make every barrier wait for it. So when somebody had to sleep at a barrier and thread 0 alone is faster, it does the
next steps alone while the others wait once, and tries again later; results do not depend on who computed them.
"""

from __future__ import annotations

from lamella.native.team import CLOCK

# Words of a call's context, 8 bytes each. The barrier has a cache line of its own, and so have the two slots through which thread 0
# tells the others where to go on; they are used in turn, so that none is overwritten before everybody has read it.
ARENA, SCRATCH_WORD, PROGRESS, PROFILE = 0, 1, 2, 3
ALONE, ALONE_TIME, TOGETHER_TIME = 4, 5, 6  # steps to do alone next time; times per step alone (0: unknown) and together
HOST = 7  # address of the callback (host.py)
BARRIER = 8
SLOTS = 16  # two slots of 4 words: next step, steps to do alone, stop
TABLE = 24
ALONE_FIRST, ALONE_MOST = 16, 1024
TRY_ALONE_FROM = 16  # steps of a call: a step alone takes twice as long if the others are only waking up, as they are at first


# loop(ctx, tid, nt, lo, hi, step): the outermost loops. `progress` is the call's [finished steps, stop flag].
LOOP_TEXT = f"""
define internal i64 @report(ptr %ctx, i64 %next) nounwind {{
  %pp = getelementptr i64, ptr %ctx, i64 {PROGRESS}
  %progress = load ptr, ptr %pp
  store atomic i64 %next, ptr %progress monotonic, align 8
  %flag = getelementptr i64, ptr %progress, i64 1
  %stop = load atomic i64, ptr %flag monotonic, align 8
  ret i64 %stop
}}
define internal void @loop(ptr %ctx, i64 %tid, i64 %nt, i64 %lo, i64 %hi, ptr %step) nounwind {{
entry:
  %master = icmp eq i64 %tid, 0
  %single = icmp eq i64 %nt, 1
  %alonep = getelementptr i64, ptr %ctx, i64 {ALONE}
  %atp = getelementptr i64, ptr %ctx, i64 {ALONE_TIME}
  %ttp = getelementptr i64, ptr %ctx, i64 {TOGETHER_TIME}
  %barrier = getelementptr i64, ptr %ctx, i64 {BARRIER}
  %napsp = getelementptr i8, ptr %barrier, i64 24
  %all = sub i64 %hi, %lo
  %first = select i1 %single, i64 %all, i64 0
  br label %head
head:
  %i = phi i64 [%lo, %entry], [%next, %meet]
  %alone = phi i64 [%first, %entry], [%alone1, %meet]
  %turn = phi i64 [0, %entry], [%turn1, %meet]
  %more = icmp slt i64 %i, %hi
  br i1 %more, label %choose, label %out
choose:
  %solo = icmp sgt i64 %alone, 0
  %began = {CLOCK}
  br i1 %solo, label %maybe, label %together
maybe:
  br i1 %master, label %mine, label %meet
mine:
  %wanted = add i64 %i, %alone
  %past = icmp slt i64 %wanted, %hi
  %end = select i1 %past, i64 %wanted, i64 %hi
  br label %each
each:
  %j = phi i64 [%i, %mine], [%j1, %each]
  call void %step(ptr %ctx, i64 0, i64 1, i64 %j)
  %j1 = add i64 %j, 1
  %stop0 = call i64 @report(ptr %ctx, i64 %j1)
  %left = icmp slt i64 %j1, %end
  %run = icmp eq i64 %stop0, 0
  %again = and i1 %left, %run
  br i1 %again, label %each, label %decide
together:
  call void %step(ptr %ctx, i64 %tid, i64 %nt, i64 %i)
  br i1 %master, label %count, label %meet
count:
  %i1 = add i64 %i, 1
  %stop1 = call i64 @report(ptr %ctx, i64 %i1)
  br label %decide
decide:
  %at = phi i64 [%j1, %each], [%i1, %count]
  %stop = phi i64 [%stop0, %each], [%stop1, %count]
  %tried = phi i1 [false, %each], [true, %count]
  %ended = {CLOCK}
  %time = sub i64 %ended, %began
  %steps = sub i64 %at, %i
  %each_time = sdiv i64 %time, %steps
  %naps = atomicrmw xchg ptr %napsp, i32 0 seq_cst
  %napped = icmp ne i32 %naps, 0
  %done = sub i64 %i, %lo
  %seasoned = icmp sge i64 %done, {TRY_ALONE_FROM}
  %slept = and i1 %napped, %seasoned
  %old = load i64, ptr %alonep
  %alone_time = load i64, ptr %atp
  %together_time = load i64, ptr %ttp
  br i1 %tried, label %was_team, label %was_alone
was_team:
  %unknown = icmp eq i64 %alone_time, 0
  %slower = icmp sgt i64 %each_time, %alone_time
  %twice = shl i64 %old, 1
  %capped = call i64 @llvm.smin.i64(i64 %twice, i64 {ALONE_MOST})
  %grown = call i64 @llvm.smax.i64(i64 %capped, i64 {ALONE_FIRST})
  %punish = select i1 %slower, i64 %grown, i64 0
  %probe = select i1 %unknown, i64 1, i64 %punish
  %then_team = select i1 %slept, i64 %probe, i64 0
  %known_bad = select i1 %unknown, i64 0, i64 %punish
  %keep = select i1 %slept, i64 %known_bad, i64 0
  store i64 %keep, ptr %alonep
  store i64 %each_time, ptr %ttp
  br label %tell
was_alone:
  store i64 %each_time, ptr %atp
  %first_probe = icmp eq i64 %steps, 1
  %better = icmp slt i64 %each_time, %together_time
  %continue = and i1 %first_probe, %better
  %then_alone = select i1 %continue, i64 {ALONE_FIRST}, i64 0
  br label %tell
tell:
  %then = phi i64 [%then_team, %was_team], [%then_alone, %was_alone]
  %odd0 = and i64 %turn, 1
  %word0 = mul i64 %odd0, 4
  %slot0 = add i64 %word0, {SLOTS}
  %write = getelementptr i64, ptr %ctx, i64 %slot0
  store i64 %at, ptr %write
  %write1 = getelementptr i64, ptr %write, i64 1
  store i64 %then, ptr %write1
  %write2 = getelementptr i64, ptr %write, i64 2
  store i64 %stop, ptr %write2
  br label %meet
meet:
  call void @barrier(ptr %ctx, i64 {BARRIER}, i64 %nt)
  %odd = and i64 %turn, 1
  %word = mul i64 %odd, 4
  %slot = add i64 %word, {SLOTS}
  %read = getelementptr i64, ptr %ctx, i64 %slot
  %next = load i64, ptr %read
  %read1 = getelementptr i64, ptr %read, i64 1
  %alone1 = load i64, ptr %read1
  %read2 = getelementptr i64, ptr %read, i64 2
  %halt = load i64, ptr %read2
  %turn1 = add i64 %turn, 1
  %go = icmp eq i64 %halt, 0
  br i1 %go, label %head, label %out
out:
  ret void
}}
"""
