/**
 * Sent with each call that starts runs: the server then refuses a run that cannot be served, and records nothing. A person
 * at a terminal is told at once, and a script gets an exit code.
 */
export const refusing = { preflight: 'refuse' } as const
