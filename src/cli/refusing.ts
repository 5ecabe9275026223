/**
 * Query of each call that starts runs: the server then refuses a run that cannot be served instead of recording its
 * failure, so that a person sees the reason at once and a script gets an exit code.
 */
export const refusing = { preflight: 'refuse' } as const
