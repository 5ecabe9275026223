// Remedy sentences that the command line words differently.

/** Appended to the fix of a missing agent whose runbook `scripted` could execute. */
export const scriptedOffer = 'Or let agent scripted run its sh and bash blocks, which needs no key.'

/** Added to the fix of a parameter that an input file can replace. */
export const fileOffer = 'A file that is sent along stands for it as well.'
