import { AppError } from '../../lib/errors.ts'
import type { Session } from '../session.ts'
import { parseRun, parseTask, placeText, type RunPlace } from './places.ts'

/** Accepted forms of a run. */
export const runMeaning = `A run is <collection>/<task>/<trajectory>, its workflow id, the address of its page, or <collection>/<task> for the
newest.`

/** Finds a run by full name, page URL or workflow id, or the newest run of a task. */
export const findRunPlace = async ({ client }: Session, text: string): Promise<RunPlace> => {
  const segments = text.split('/').filter((segment) => segment !== '')
  if (segments.length === 1 && text.includes('--')) return byWorkflowId({ client }, text)
  if (segments.length !== 2) return parseRun(text)
  const task = parseTask(text)
  const { trajectories } = await client.listTrajectories({ params: task, query: { limit: 1, view: 'summary' } })
  const newest = trajectories[0]
  if (!newest) {
    throw new AppError('not_found', `${placeText(task)} has not run yet`, {
      hint: `Start it with: jetty run ${placeText(task)}`,
    })
  }
  return { ...task, trajectory_id: newest.trajectory_id }
}

/** Names may contain dashes, so every possible split of the id is tried. */
const byWorkflowId = async ({ client }: Pick<Session, 'client'>, workflowId: string): Promise<RunPlace> => {
  const { trajectory_id } = await client.getWorkflowLogs({ params: { workflow_id: workflowId } })
  const name = workflowId.slice(0, workflowId.length - trajectory_id.length - 2)
  for (let at = name.indexOf('-'); at >= 0; at = name.indexOf('-', at + 1)) {
    const place = { collection: name.slice(0, at), task: name.slice(at + 1), trajectory_id }
    const found = await client.getTrajectory({ params: place }).catch((error) => {
      if (error instanceof AppError && error.status < 500) return undefined
      throw error
    })
    if (found) return place
  }
  throw new AppError('not_found', `Workflow '${workflowId}' not found`)
}
