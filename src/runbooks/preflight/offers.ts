// Sentences of remedies that the command line says in its own words.

/** What a fix ends with where `scripted` would run. */
export const scriptedOffer = 'Or let agent scripted run its sh and bash blocks, which needs no key.'

/** What a fix says of a parameter that a file may stand for. */
export const fileOffer = 'A file that is sent along stands for it as well.'
