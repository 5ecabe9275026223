import { AppError } from '../../lib/errors.ts'
import { type Activity, type ActivityContext, activity } from '../activity.ts'
import { checkedOutputs, type OwnActivity, type ServerContext, type WorkContext } from './own-activity.ts'

const mostLines = 200
const longestLine = 10_000

/** The context of a step with what workers offer too. `signal` is made on first use and stays a getter. */
const serverContext = (context: ActivityContext): ServerContext => {
  let lines = 0
  const log: WorkContext['log'] = (message, level = 'info') => {
    lines += 1
    if (lines <= mostLines) context.log(level, message.slice(0, longestLine))
  }
  return Object.create(context, {
    log: { value: log },
    progress: { value: () => {} },
    signal: { get: () => context.signal },
  })
}

/** An activity of a module as the engine executes it. Outputs are checked: the compiler may never have seen the module. */
export const inServer = ({ run, idempotent, ...own }: OwnActivity<ServerContext>, file: string): Activity =>
  activity({
    ...own,
    module: file,
    async run(parameters, context) {
      if (!idempotent) {
        if (context.step.interrupted) {
          throw new AppError('activity_failed', `An earlier attempt of ${own.name} was cut off, and may have acted`, {
            hint: 'Look at what it has done, then rerun from this step.',
          })
        }
        await context.recordStart()
      }
      return checkedOutputs(own, await run(parameters, serverContext(context)))
    },
  })
