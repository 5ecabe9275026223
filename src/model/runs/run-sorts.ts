/** What a list of runs can be sorted by. Apart from the schemas, which the command line does not load. */
export const runSorts = ['created', 'duration', 'cost'] as const
export type RunSort = (typeof runSorts)[number]
