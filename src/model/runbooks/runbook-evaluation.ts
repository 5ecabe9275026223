/** How the results of a runbook are judged: by statuses that can be checked, or by scores of a rubric. */
export const evaluationKinds = ['programmatic', 'rubric'] as const
export type EvaluationKind = (typeof evaluationKinds)[number]
