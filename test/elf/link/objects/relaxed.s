# Instructions that read an address from the global offset table and can have it themselves.
	.text
	.globl	relaxed
	.type	relaxed, @function
relaxed:
	mov	here@GOTPCREL(%rip), %rax
	mov	here@GOTPCREL(%rip), %r15
	mov	relaxed@GOTPCREL(%rip), %rdi
	call	*relaxed@GOTPCREL(%rip)
	jmp	*relaxed@GOTPCREL(%rip)
	call	*behind@GOTPCREL(%rip)
	jmp	*behind@GOTPCREL(%rip)
	.globl	behind
	.type	behind, @function
behind:
	ret
	.data
	.globl	here
	.type	here, @object
here:
	.quad	1
