# Everything that goes by way of the global offset table, and calls that may need a stub. got_main(0..10) answers numbers.
	.text
	.globl	got_main
	.type	got_main, @function
got_main:
	push	%rbx
	cmp	$10, %rdi
	ja	99f
	lea	table(%rip), %rax
	movslq	(%rax,%rdi,4), %rdi
	add	%rdi, %rax
	jmp	*%rax
0:	mov	host_number@GOTPCREL(%rip), %rax	# REX_GOTPCRELX, becomes lea
	mov	(%rax), %rax
	pop	%rbx
	ret
1:	call	*host_seven@GOTPCREL(%rip)		# GOTPCRELX, becomes a direct call
	pop	%rbx
	ret
2:	pop	%rbx
	jmp	*host_seven@GOTPCREL(%rip)		# GOTPCRELX, becomes a direct jump
3:
.ifdef far						# no distance fits
	movabs	$host_number, %rax
.else
	lea	host_number(%rip), %rax
.endif
	cmp	host_number@GOTPCREL(%rip), %rax	# stays
	sete	%al
	movzbl	%al, %eax
	pop	%rbx
	ret
4:	lea	_GLOBAL_OFFSET_TABLE_(%rip), %rbx	# GOTPC32
	mov	$local_number@GOTOFF, %rax		# GOTOFF64 below
	movabs	$local_number@GOTOFF, %rax
	mov	(%rbx,%rax), %rax
	pop	%rbx
	ret
5:	lea	_GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movabs	$host_number@GOT, %rax			# GOT64
	mov	(%rbx,%rax), %rax
	mov	(%rax), %rax
	pop	%rbx
	ret
6:	lea	_GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movabs	$host_seven@PLTOFF, %rax		# PLTOFF64
	add	%rbx, %rax
	call	*%rax
	pop	%rbx
	ret
7:	call	host_seven@PLT				# PLT32
	pop	%rbx
	ret
8:	movabs	$_GLOBAL_OFFSET_TABLE_-., %rbx		# GOTPC64, from the instruction's beginning
	lea	8b(%rip), %rax
	add	%rax, %rbx
	mov	local_number@GOTPCREL(%rip), %rax
	mov	(%rax), %rax
	pop	%rbx
	ret
9:	lea	9b(%rip), %rbx
	movabs	$0, %rax				# GOTPCREL64, from its field: 9 bytes behind the beginning
	.reloc	9b+9, R_X86_64_GOTPCREL64, host_number
	mov	9(%rbx,%rax), %rax
	mov	(%rax), %rax
	pop	%rbx
	ret
10:	lea	_GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movslq	entry(%rip), %rax			# GOT32
	mov	(%rbx,%rax), %rax
	mov	(%rax), %rax
	pop	%rbx
	ret
99:	mov	$-1, %rax
	pop	%rbx
	ret
	.size	got_main, .-got_main
	.section	.rodata
	.balign	4
table:
	.long	0b-table, 1b-table, 2b-table, 3b-table, 4b-table, 5b-table, 6b-table, 7b-table, 8b-table, 9b-table, 10b-table
entry:	.long	host_number@GOT
	.data
	.balign	8
local_number:
	.quad	99
