# Each relocation type that is a field of its own, in an object of its own: compared with what ld makes of it.
	.text
	.globl	every_text
	.type	every_text, @function
every_text:
	call	outside
	.reloc	., R_X86_64_PC32, outside-4
	.long	0
	movabs	$outside, %rax
	mov	$here, %rax
	lea	here+5(%rip), %rax
	ret
	.size	every_text, .-every_text
	.data
	.balign	8
	.globl	here
	.type	here, @object
here:
	.quad	outside+8
	.quad	here-.
	.quad	every_text+3
	.long	here-.
	.long	small
	.word	small
	.byte	small
	.word	here-.+4
	.byte	here-.
	.byte	0, 0, 0, 0
	.quad	every_text@SIZE
	.long	every_text@SIZE
	.long	every_text@SIZE+4
	.quad	every_text-.
	.word	every_text-.
	.byte	near-.
	.byte	0
	.quad	large
	.quad	1f
1:	.quad	.bss+16
	.size	here, .-here
	.set	small, 0x56
	.globl	small
	.set	large, 0x8123456789abcdef
	.globl	large
	.section .data.near, "aw"
near:	.quad	near
	.bss
	.balign	32
	.skip	64
