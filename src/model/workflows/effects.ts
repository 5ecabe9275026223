/** What an activity does outside of its run. */
export const effects = ['none', 'reads', 'writes'] as const
export type Effects = (typeof effects)[number]
