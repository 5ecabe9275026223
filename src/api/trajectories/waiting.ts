import type { WaitingStep } from '../../model/runs/trajectory.ts'

/** Steps of a run that wait for a person, each with the call that decides it; null when none does. */
export const waitingOf = (run: {
  name: string
  trajectory_id: string
  waiting: string | null
}): WaitingStep[] | null => {
  if (run.waiting === null) return null
  const steps = JSON.parse(run.waiting) as Omit<WaitingStep, 'decide'>[]
  const path = `/api/v1/trajectory/${run.name}/${run.trajectory_id}/steps`
  return steps.map((one) => ({ ...one, decide: `POST ${path}/${one.step}/approval` }))
}
