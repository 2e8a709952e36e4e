# enter(entry): loads the registers of `state`, calls a generated program on a stack at a fixed address, stores the registers
# back. Static data lies below 2 GiB, so that absolute addresses reach it without a register.
        .set    STACK_TOP, 0x6000f000
        .text
        .globl  enter
enter:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, home
        mov     %rdi, target
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        movdqu  state+144+16*\n, %xmm\n
        .endr
        mov     $STACK_TOP, %rsp
        push    state+128
        popfq
        mov     state+0, %rax
        mov     state+8, %rcx
        mov     state+16, %rdx
        mov     state+24, %rbx
        mov     state+40, %rbp
        mov     state+48, %rsi
        mov     state+56, %rdi
        mov     state+64, %r8
        mov     state+72, %r9
        mov     state+80, %r10
        mov     state+88, %r11
        mov     state+96, %r12
        mov     state+104, %r13
        mov     state+112, %r14
        mov     state+120, %r15
        call    *target
        mov     %rax, state+0
        mov     %rcx, state+8
        mov     %rdx, state+16
        mov     %rbx, state+24
        mov     %rsp, state+32
        mov     %rbp, state+40
        mov     %rsi, state+48
        mov     %rdi, state+56
        mov     %r8, state+64
        mov     %r9, state+72
        mov     %r10, state+80
        mov     %r11, state+88
        mov     %r12, state+96
        mov     %r13, state+104
        mov     %r14, state+112
        mov     %r15, state+120
        pushfq
        popq    state+128
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        movdqu  %xmm\n, state+144+16*\n
        .endr
        cld
        mov     home, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .bss
home:   .quad   0
target: .quad   0
        .section .note.GNU-stack,"",@progbits
