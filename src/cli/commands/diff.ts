import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import type { RunDifference, StepDifference, ValueDifference } from '../../model/runs/run-difference.ts'
import { exitCodes } from '../exit.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { parseRun, type RunPlace } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { dollars, duration, safe } from '../show/output.ts'
import { paintDiff, textDiff } from '../show/text-diff.ts'

/** `jetty diff`. */
export const registerDiff = (program: Command): void => {
  program
    .command('diff <run> <other>')
    .description('Compare two runs of a collection step by step')
    .addHelpText(
      'after',
      `
${runMeaning} The second run may also be a trajectory id alone.

The exit code is 0 if the runs differ only in duration and cost, else 1.

Examples:
  jetty diff acme/letters/1f2e3d4c acme/letters/5a6b7c8d
  jetty diff acme/letters/1f2e3d4c 5a6b7c8d --json`,
    )
    .action(withSession<object, [string, string]>(diff))
}

const diff = async (session: Session, [run, other]: [string, string]): Promise<void> => {
  const { client, out } = session
  const left = await findRunPlace(session, run)
  const found = await client.diffTrajectories({ params: left, query: { with: await otherOf(session, left, other) } })
  const text = out.isJson ? '' : await textOf(left, found)
  out.answer(found, () => text)
  if (!found.same) process.exitCode = exitCodes.failed
}

/** Id of the other run for the API, within the collection of the first one. */
const otherOf = async (session: Session, left: RunPlace, other: string): Promise<string> => {
  if (!other.includes('/') && !other.includes('--')) return other
  const right = other.startsWith('http') ? parseRun(other) : await findRunPlace(session, other)
  if (right.collection.toLowerCase() !== left.collection.toLowerCase()) {
    throw new AppError(
      'invalid',
      `The runs belong to different collections: ${left.collection} and ${right.collection}`,
      {
        hint: 'Name two runs of the same collection.',
      },
    )
  }
  return `${right.task}/${right.trajectory_id}`
}

const textOf = async ({ collection }: RunPlace, found: RunDifference): Promise<string> => {
  const head = (mark: string, { task, trajectory_id: id }: RunDifference['left']) =>
    pc.bold(safe(`${mark} ${collection}/${task}/${id}`))
  const blocks = [`${head('---', found.left)}\n${head('+++', found.right)}`]
  const { init_params: initParams, definition, ...common } = found.run
  const run = [
    ...(definition ? [line('workflow', definition.left.slice(0, 12), definition.right.slice(0, 12))] : []),
    ...linesOf(common),
    ...(initParams ? [await valueText('init_params', initParams)] : []),
  ]
  if (run.length > 0) blocks.push([pc.bold('run'), ...run].join('\n'))
  for (const step of found.steps) if (!step.same) blocks.push(await stepText(step))
  const { total_steps: total, different_steps: different } = found
  blocks.push(found.same ? pc.green('No differences.') : pc.dim(`${different} of ${total} steps differ.`))
  return blocks.join('\n\n')
}

const stepText = async (step: StepDifference): Promise<string> => {
  const name = pc.bold(`step ${safe(step.step)}`)
  if (step.in !== 'both')
    return `${name}\n  ${step.in === 'left' ? pc.red('- only in the first') : pc.green('+ only in the second')}`
  const lines = [name, ...linesOf(step)]
  for (const section of ['config', 'inputs', 'outputs'] as const) {
    const value = step[section]
    if (value) lines.push(await valueText(section, value))
  }
  return lines.join('\n')
}

type Common = Pick<StepDifference, 'status' | 'error' | 'duration' | 'cost'>

const linesOf = ({ status, error, duration: took, cost }: Common): string[] => [
  ...(status ? [line('status', status.left, status.right)] : []),
  ...(error ? [line('error', error.left, error.right)] : []),
  ...(took ? [pc.dim(`  duration  ${duration(took.left)} → ${duration(took.right)}`)] : []),
  ...(cost ? [pc.dim(`  cost  ${dollars(cost.left)} → ${dollars(cost.right)}`)] : []),
]

const line = (name: string, left: string | null, right: string | null): string =>
  `  ${name}  ${pc.red(safe(left ?? '-'))} → ${pc.green(safe(right ?? '-'))}`

const valueText = async (name: string, { left, right, clipped }: ValueDifference): Promise<string> => {
  const text = (value: unknown) => (clipped ? String(value ?? '') : `${JSON.stringify(value ?? null, null, 2)}\n`)
  const changes = await textDiff({ name, text: text(left) }, { name, text: text(right) })
  const hunks = changes.split('\n').slice(2).join('\n') // the header already has the names
  const note = clipped ? pc.yellow(' (too large: only the beginnings are compared)') : ''
  return `  ${name}${note}\n${paintDiff(hunks.trimEnd()).replace(/^/gm, '    ')}`
}
