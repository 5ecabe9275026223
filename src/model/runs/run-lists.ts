// What lists of runs are sorted and filtered by. Apart from the schemas, which the command line does not load.

export const runSorts = ['created', 'duration', 'cost'] as const
export type RunSort = (typeof runSorts)[number]

/** The kinds of starters of runs. */
export const runTriggers = ['api', 'routine', 'parent', 'rerun', 'gateway', 'ingest'] as const
export type RunTrigger = (typeof runTriggers)[number]

/** What a run can wait for that somebody outside has to bring. */
export const outsideWaits = ['approval', 'event'] as const
export type OutsideWait = (typeof outsideWaits)[number]
