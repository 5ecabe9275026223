/** How the results of a runbook are judged: by checkable statuses, or by the scores of a rubric. */
export const evaluationKinds = ['programmatic', 'rubric'] as const
export type EvaluationKind = (typeof evaluationKinds)[number]
