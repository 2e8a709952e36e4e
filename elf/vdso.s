# The code of the vDSO; vdso.ts holds the bytes that this assembles to. Position-independent. `base` is filled in by the kernel:
# nanoseconds since the epoch when the monotonic clock was 0. The time stamp counter counts the nanoseconds of that clock.
        .text
base:   .quad   0

# int clock_gettime(clockid_t clock, struct timespec *out)
        .globl clock_gettime
clock_gettime:
        cmp     $11, %edi
        ja      1f
        mov     $0x8f3, %eax            # REALTIME MONOTONIC MONOTONIC_RAW both COARSE BOOTTIME TAI
        bt      %edi, %eax
        jnc     1f
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        mov     $0x821, %ecx            # REALTIME REALTIME_COARSE TAI
        bt      %edi, %ecx
        jnc     2f
        add     base(%rip), %rax
2:      mov     %rax, %rcx
        shr     $9, %rax                # n / 10^9 = (n >> 9) / 5^9; the factor is 2^75 / 5^9 rounded up
        movabs  $0x44b82fa09b5a53, %rdx
        mul     %rdx
        shr     $11, %rdx
        imul    $1000000000, %rdx, %rax
        sub     %rax, %rcx
        mov     %rdx, (%rsi)
        mov     %rcx, 8(%rsi)
        xor     %eax, %eax
        ret
1:      mov     $228, %eax
        syscall
        ret

# int gettimeofday(struct timeval *out, struct timezone *zone)
        .globl gettimeofday
gettimeofday:
        test    %rdi, %rdi
        jz      1f
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        add     base(%rip), %rax
        mov     %rax, %rcx
        shr     $9, %rax
        movabs  $0x44b82fa09b5a53, %rdx
        mul     %rdx
        shr     $11, %rdx
        imul    $1000000000, %rdx, %rax
        sub     %rax, %rcx
        mov     %rdx, (%rdi)
        mov     %rcx, %rax              # below 10^9: microseconds = n * 274877907 >> 38
        imul    $274877907, %rax, %rax
        shr     $38, %rax
        mov     %rax, 8(%rdi)
1:      xor     %eax, %eax
        test    %rsi, %rsi
        jz      2f
        mov     %rax, (%rsi)
2:      ret

# time_t time(time_t *out)
        .globl time
time:
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        add     base(%rip), %rax
        shr     $9, %rax
        movabs  $0x44b82fa09b5a53, %rdx
        mul     %rdx
        shr     $11, %rdx
        mov     %rdx, %rax
        test    %rdi, %rdi
        jz      1f
        mov     %rax, (%rdi)
1:      ret

# int getcpu(unsigned *cpu, unsigned *node, void *unused)
        .globl getcpu
getcpu:
        xor     %eax, %eax
        test    %rdi, %rdi
        jz      1f
        mov     %eax, (%rdi)
1:      test    %rsi, %rsi
        jz      2f
        mov     %eax, (%rsi)
2:      ret
