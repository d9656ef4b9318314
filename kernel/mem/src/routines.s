// Each routine takes and returns what C says. Only x0 to x17 are used, and x0 keeps the destination.
//
// Up to 64 bytes, everything is loaded before anything is stored, from both ends towards the middle with an overlap
// there: so the same code serves memmove. Beyond, a loop moves 64 bytes a round, and what is left is moved from the
// end, with an overlap again. Pages have loops of their own with longer rounds.

    .section .text.mem_routines, "ax"

    // x0: to, x1: from, x2: count.
    .balign 64
    .global memcpy
    .type memcpy, %function
memcpy:
    add     x4, x1, x2              // the ends
    add     x5, x0, x2
    cmp     x2, #64
    b.hi    .Lcopy_many
.Lcopy_few:                         // up to 64 bytes
    cmp     x2, #16
    b.lo    4f
    ldp     x6, x7, [x1]
    ldp     x8, x9, [x4, #-16]
    cmp     x2, #32
    b.hi    3f
    stp     x6, x7, [x0]
    stp     x8, x9, [x5, #-16]
    ret
3:  ldp     x10, x11, [x1, #16]
    ldp     x12, x13, [x4, #-32]
    stp     x6, x7, [x0]
    stp     x10, x11, [x0, #16]
    stp     x12, x13, [x5, #-32]
    stp     x8, x9, [x5, #-16]
    ret
4:  // Less than 16 bytes: two words, two half words, or up to three bytes.
    tbz     x2, #3, 5f
    ldr     x6, [x1]
    ldr     x7, [x4, #-8]
    str     x6, [x0]
    str     x7, [x5, #-8]
    ret
5:  tbz     x2, #2, 6f
    ldr     w6, [x1]
    ldr     w7, [x4, #-4]
    str     w6, [x0]
    str     w7, [x5, #-4]
    ret
6:  cbz     x2, 7f
    lsr     x3, x2, #1              // the middle of three, or the last of one or two
    ldrb    w6, [x1]
    ldrb    w7, [x1, x3]
    ldrb    w8, [x4, #-1]
    strb    w6, [x0]
    strb    w7, [x0, x3]
    strb    w8, [x5, #-1]
7:  ret

.Lcopy_many:                        // beyond 64 bytes
    mov     x3, x0
    cmp     x2, #1024
    b.hs    9f
10: sub     x2, x2, #64
8:  ldp     x6, x7, [x1]
    ldp     x8, x9, [x1, #16]
    ldp     x10, x11, [x1, #32]
    ldp     x12, x13, [x1, #48]
    add     x1, x1, #64
    stp     x6, x7, [x3]
    stp     x8, x9, [x3, #16]
    stp     x10, x11, [x3, #32]
    stp     x12, x13, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hi    8b
12: // 1 to 64 bytes are left; the last 64 are moved.
    ldp     x6, x7, [x4, #-64]
    ldp     x8, x9, [x4, #-48]
    ldp     x10, x11, [x4, #-32]
    ldp     x12, x13, [x4, #-16]
    stp     x6, x7, [x5, #-64]
    stp     x8, x9, [x5, #-48]
    stp     x10, x11, [x5, #-32]
    stp     x12, x13, [x5, #-16]
    ret
9:  sub     x2, x2, #256            // 256 bytes a round, until 1 to 256 bytes are left
11: .irp    at, 0, 64, 128, 192
    ldp     x6, x7, [x1, #\at]
    ldp     x8, x9, [x1, #\at+16]
    ldp     x10, x11, [x1, #\at+32]
    ldp     x12, x13, [x1, #\at+48]
    stp     x6, x7, [x3, #\at]
    stp     x8, x9, [x3, #\at+16]
    stp     x10, x11, [x3, #\at+32]
    stp     x12, x13, [x3, #\at+48]
    .endr
    add     x1, x1, #256
    add     x3, x3, #256
    subs    x2, x2, #256
    b.hi    11b
    add     x2, x2, #256
    cmp     x2, #64
    b.hi    10b
    b       12b
    .size memcpy, . - memcpy

    // x0: to, x1: from, x2: count. Beyond 64 bytes that overlap, 32 bytes a round; the end that the loop would reach
    // last is loaded before it starts, since the loop may overwrite it.
    .balign 64
    .global memmove
    .type memmove, %function
memmove:
    add     x4, x1, x2
    add     x5, x0, x2
    cmp     x2, #64
    b.ls    .Lcopy_few
    sub     x3, x0, x1
    cmp     x3, x2
    b.lo    3f                      // the destination starts within the source
    sub     x3, x1, x0
    cmp     x3, x2
    b.hs    .Lcopy_many             // nothing overlaps
    // The destination lies below: upwards.
    ldp     x6, x7, [x4, #-32]
    ldp     x8, x9, [x4, #-16]
    mov     x3, x0
    sub     x2, x2, #32
2:  ldp     x10, x11, [x1]
    ldp     x12, x13, [x1, #16]
    add     x1, x1, #32
    stp     x10, x11, [x3]
    stp     x12, x13, [x3, #16]
    add     x3, x3, #32
    subs    x2, x2, #32
    b.hi    2b
    stp     x6, x7, [x5, #-32]
    stp     x8, x9, [x5, #-16]
    ret
3:  // The destination lies above: downwards.
    ldp     x6, x7, [x1]
    ldp     x8, x9, [x1, #16]
    sub     x2, x2, #32
4:  ldp     x10, x11, [x4, #-16]
    ldp     x12, x13, [x4, #-32]
    sub     x4, x4, #32
    stp     x10, x11, [x5, #-16]
    stp     x12, x13, [x5, #-32]
    sub     x5, x5, #32
    subs    x2, x2, #32
    b.hi    4b
    stp     x6, x7, [x0]
    stp     x8, x9, [x0, #16]
    ret
    .size memmove, . - memmove

    // x0: to, w1: the byte, x2: count.
    .balign 64
    .global memset
    .type memset, %function
memset:
    and     x1, x1, #255
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
    add     x5, x0, x2              // the end
    cmp     x2, #64
    b.hi    3f
    cmp     x2, #16
    b.lo    1f
    stp     x1, x1, [x0]
    stp     x1, x1, [x5, #-16]
    cmp     x2, #32
    b.ls    2f
    stp     x1, x1, [x0, #16]
    stp     x1, x1, [x5, #-32]
2:  ret
1:  // Less than 16 bytes, as in memcpy.
    tbz     x2, #3, 4f
    str     x1, [x0]
    str     x1, [x5, #-8]
    ret
4:  tbz     x2, #2, 5f
    str     w1, [x0]
    str     w1, [x5, #-4]
    ret
5:  cbz     x2, 6f
    lsr     x3, x2, #1
    strb    w1, [x0]
    strb    w1, [x0, x3]
    strb    w1, [x5, #-1]
6:  ret
3:  // Beyond 64 bytes. Many zeros go block by block, where blocks are 64 bytes and EL0 may have them zeroed.
    mov     x3, x0
    cmp     x2, #512
    ccmp    x1, #0, #0, hs
    b.eq    8f
7:  sub     x2, x2, #64
9:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hi    9b
    stp     x1, x1, [x5, #-64]
    stp     x1, x1, [x5, #-48]
    stp     x1, x1, [x5, #-32]
    stp     x1, x1, [x5, #-16]
    ret
8:  mrs     x4, dczid_el0
    and     x4, x4, #31             // permission and size
    cmp     x4, #4
    b.ne    7b
    stp     x1, x1, [x0]            // up to the first whole block
    stp     x1, x1, [x0, #16]
    stp     x1, x1, [x0, #32]
    stp     x1, x1, [x0, #48]
    add     x3, x0, #63
    and     x3, x3, #-64
    sub     x2, x5, x3              // at least 449
    subs    x2, x2, #1024
    b.lo    10f
11: .rept   16
    dc      zva, x3
    add     x3, x3, #64
    .endr
    subs    x2, x2, #1024
    b.hs    11b
10: adds    x2, x2, #768            // what is left, up to 1023 bytes, less a round of 256
    b.mi    12f
2:  dc      zva, x3
    add     x4, x3, #64
    dc      zva, x4
    add     x4, x3, #128
    dc      zva, x4
    add     x4, x3, #192
    dc      zva, x4
    add     x3, x3, #256
    subs    x2, x2, #256
    b.hs    2b
12: add     x2, x2, #256            // 0 to 255 bytes are left
    cmp     x2, #64
    b.hi    7b
    stp     x1, x1, [x5, #-64]
    stp     x1, x1, [x5, #-48]
    stp     x1, x1, [x5, #-32]
    stp     x1, x1, [x5, #-16]
    ret
    .size memset, . - memset
