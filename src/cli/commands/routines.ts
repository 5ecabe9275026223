import { type Command, InvalidArgumentError } from 'commander'
import { AppError } from '../../lib/errors.ts'
import {
  type Cadence,
  type CatchUp,
  catchUps,
  daysOfWeek,
  keptCadence,
  type Overlap,
  overlaps,
} from '../../model/cadence.ts'
import type { Routine } from '../../model/routine.ts'
import { allPages } from '../all-pages.ts'
import { confirm } from '../input/ask.ts'
import { assembled, collect, parseAssignment, parseChoice, positive } from '../input/inputs.ts'
import { parseRoutine, parseTask, type RoutinePlace, routineText } from '../input/places.ts'
import { refusing } from '../refusing.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, table } from '../show/output.ts'
import { secretsOf, showStarted, showToItsEnd } from './run.ts'
import { runTable } from './runs.ts'

interface CadenceOptions {
  manual?: boolean
  hourly?: true | Cadence
  daily?: Cadence
  weekdays?: Cadence
  weekly?: string[]
  cron?: string
  timeZone?: string
}

const clockOf = (text: string): { hour_utc: number; minute_utc: number } => {
  const [, hour, minute = '0'] = /^(\d{1,2})(?::(\d\d))?$/.exec(text) ?? []
  if (hour !== undefined && Number(hour) < 24 && Number(minute) < 60) {
    return { hour_utc: Number(hour), minute_utc: Number(minute) }
  }
  throw new InvalidArgumentError('Expected a time of day in UTC, such as 09:30.')
}

const minuteOf = (text: string): Cadence => {
  const minute = Number(text)
  if (/^\d{1,2}$/.test(text) && minute < 60) return { type: 'hourly', minute_utc: minute }
  throw new InvalidArgumentError('Expected a minute from 0 to 59.')
}

/** Adds the options that define a cadence. */
const addCadenceOptions = (command: Command): Command =>
  command
    .option('--manual', 'no schedule; start it with jetty routines run')
    .option('--hourly [minute]', 'every hour, at this minute (default: 0)', minuteOf)
    .option(
      '--daily <HH:MM>',
      'every day, at this time in UTC',
      (text): Cadence => ({ type: 'daily', ...clockOf(text) }),
    )
    .option('--weekdays <HH:MM>', 'from Monday to Friday', (text): Cadence => ({ type: 'weekdays', ...clockOf(text) }))
    .option('--weekly <day HH:MM...>', 'every week, for example mon 09:00')
    .option('--cron <expression>', 'five fields, for example "*/10 9-17 * * mon-fri"')
    .option('--time-zone <zone>', 'with --cron: an IANA name such as Europe/Berlin (default: UTC)')

const weeklyOf = (words: string[]): Cadence => {
  const [day = '', time = '', ...more] = words.join(' ').trim().split(/\s+/)
  const known = daysOfWeek.find((one) => one === day.toLowerCase().slice(0, 3))
  if (known && time !== '' && more.length === 0) {
    try {
      return { type: 'weekly', day_of_week: known, ...clockOf(time) }
    } catch {
      // Reported below, with both parts.
    }
  }
  throw new AppError('invalid', 'Expected a day and a time in UTC after --weekly', {
    hint: 'For example: --weekly mon 09:00',
  })
}

/** Cadence from the options; undefined when there is none. */
const cadenceOf = (options: CadenceOptions): Cadence | undefined => {
  const { manual, hourly, daily, weekdays, weekly, cron, timeZone } = options
  const named: Cadence[] = [
    ...(manual ? [{ type: 'manual' } as const] : []),
    ...(hourly ? [hourly === true ? ({ type: 'hourly' } as const) : hourly] : []),
    ...(daily ? [daily] : []),
    ...(weekdays ? [weekdays] : []),
    ...(weekly ? [weeklyOf(weekly)] : []),
    ...(cron === undefined
      ? []
      : [{ type: 'cron', expression: cron, ...(timeZone === undefined ? {} : { time_zone: timeZone }) } as const]),
  ]
  if (named.length > 1)
    throw new AppError('invalid', 'Several cadences were given; a routine has one', { hint: choices })
  if (timeZone !== undefined && cron === undefined) {
    throw new AppError('invalid', '--time-zone needs --cron; the other cadences are in UTC')
  }
  return named[0]
}

const choices = '--hourly, --daily, --weekdays, --weekly, --cron or --manual'

/** Cadence from the options; throws when there is none. */
const requireCadence = (options: CadenceOptions): Cadence => {
  const cadence = cadenceOf(options)
  if (cadence) return cadence
  throw new AppError('invalid', 'The routine has no cadence', { hint: `Add one of ${choices}.` })
}

const two = (value = 0): string => String(value).padStart(2, '0')

/** Describes a cadence in words. */
const cadenceText = (cadence: Cadence): string => {
  const { type, minute_utc: minute, hour_utc: hour, day_of_week: day, expression, time_zone: zone } = cadence
  if (type === 'manual') return 'by hand'
  if (type === 'hourly') return `hourly at :${two(minute)}`
  if (type === 'cron') return `${expression} (${zone ?? 'UTC'})`
  const time = `${two(hour)}:${two(minute)} UTC`
  return type === 'weekly' ? `weekly, ${day} ${time}` : `${type} ${time}`
}

const one = '<collection/task/name>'

interface ChangeOptions extends CadenceOptions {
  param?: string[]
  secret?: string[]
  webhook?: string
  webhookSecretEnv?: string
  overlap?: Overlap
  catchUp?: CatchUp
  at?: string
}

/** Adds the options that `create` and `update` share. */
const addFields = (command: Command): Command =>
  addCadenceOptions(command)
    .option('-p, --param <name=value>', 'a parameter of its runs, instead of the default of the task', collect)
    .option('--at <version>', 'version of the task that it runs, found at each fire: 12, ~-1, a tag or a content hash')
    .option('--secret <NAME>', 'secret for its runs, read from the environment variable NAME', collect)
    .option('--webhook <url>', 'URL that receives the trajectory when a run has ended')
    .option('--webhook-secret-env <NAME>', 'secret that signs the webhook, taken from the environment variable NAME')
    .option(
      '--overlap <what>',
      'if a run of the routine is still active: skip the fire, queue it, or allow both',
      parseChoice(overlaps).once,
    )
    .option(
      '--catch-up <which>',
      'fires to make up for after an outage: none, the last one, or all',
      parseChoice(catchUps).once,
    )

/** `jetty routines …`. */
export const registerRoutines = (program: Command): void => {
  const routines = program.command('routines').description('Run tasks on a schedule')
  routines
    .command('ls <collection[/task]>')
    .description('List the routines of a collection, or of one task')
    .addHelpText('after', '\nExamples:\n  jetty routines ls acme\n  jetty routines ls acme/report --json')
    .action(withSession<object, [string]>(list))
  routines
    .command(`get ${one}`)
    .description('Show a routine: its next time and its last run')
    .addHelpText('after', '\nExamples:\n  jetty routines get acme/report/morning')
    .action(withSession<object, [string]>(show))
  addFields(routines.command(`create ${one}`).description('Run a task on a schedule'))
    .option('--paused', 'create the routine paused; start it with resume')
    .addHelpText(
      'after',
      `
Examples:
  jetty routines create acme/report/morning --weekdays 09:00
  jetty routines create acme/report/weekly --weekly mon 07:30 -p length=long
  jetty routines create acme/report/nightly --daily 02:00 --at production
  jetty routines create acme/poll/often --cron "*/10 * * * *" --time-zone Europe/Berlin --overlap queue
  SLACK_TOKEN=… jetty routines create acme/notify/now --manual --secret SLACK_TOKEN`,
    )
    .action(withSession<ChangeOptions & { paused?: boolean }, [string]>(create))
  addFields(routines.command(`update ${one}`).description('Change the given fields of a routine'))
    .option('--no-at', 'run the newest version again')
    .option('--no-params', 'use the defaults of the task again')
    .option('--no-secrets', 'remove its secrets')
    .option('--no-webhook', 'remove the webhook')
    .addHelpText(
      'after',
      `
Given parameters replace all earlier parameters; given secrets replace all earlier secrets.

Examples:
  jetty routines update acme/report/morning --daily 08:00
  jetty routines update acme/report/morning -p length=short --catch-up last
  jetty routines update acme/report/morning --no-webhook --no-secrets`,
    )
    .action(withSession<UpdateOptions, [string]>(update))
  for (const [name, operation, description] of [
    ['pause', 'pauseRoutine', 'Pause a routine until it is resumed'],
    ['resume', 'resumeRoutine', 'Resume a paused routine, from its next scheduled time on'],
  ] as const) {
    routines
      .command(`${name} ${one}`)
      .description(description)
      .addHelpText('after', `\nExamples:\n  jetty routines ${name} acme/report/morning`)
      .action(
        withSession<object, [string]>(async ({ client, out }, [place]) => {
          const routine = await client[operation]({ params: parseRoutine(place) })
          out.answer(routine, () => overview(routine))
        }),
      )
  }
  routines
    .command(`run ${one}`)
    .description('Start a run of a routine now, even if it is paused')
    .option('-w, --wait', 'wait until the run has ended, and print the outputs of its last step')
    .option('--follow', 'wait, and show the log of the steps')
    .addHelpText('after', '\nExamples:\n  jetty routines run acme/report/morning --wait')
    .action(withSession<{ wait?: boolean; follow?: boolean }, [string]>(run))
  routines
    .command(`runs ${one}`)
    .description('List the runs that a routine has started, newest first')
    .option('-n, --limit <n>', 'maximum number to list, up to 500', positive, 20)
    .addHelpText(
      'after',
      '\nExamples:\n  jetty routines runs acme/report/morning\n  jetty routines runs acme/report/morning -n 100 --json',
    )
    .action(withSession<{ limit: number }, [string]>(runs))
  routines
    .command(`rm ${one}`)
    .description('Delete a routine; its runs stay')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText('after', '\nExamples:\n  jetty routines rm acme/report/morning --yes')
    .action(withSession<{ yes?: boolean }, [string]>(remove))
}

const list = async ({ client, out }: Session, [place]: [string]): Promise<void> => {
  const ofTask = place.includes('/') ? parseTask(place) : undefined
  const found = await allPages(500, async (query) => {
    const answer = ofTask
      ? await client.listTaskRoutines({ params: ofTask, query })
      : await client.listRoutines({ params: { collection: place }, query })
    return answer.routines
  })
  out.answer(found, () =>
    found.length === 0
      ? ''
      : table(
          ['ROUTINE', 'CADENCE', 'NEXT', 'LAST', 'LEFT OUT'],
          found.map((routine) => [
            routineText(routine),
            cadenceText(keptCadence(routine.cadence)),
            routine.paused ? 'paused' : moment(routine.next_run_at),
            moment(routine.last_run_at),
            routine.last_skip_reason ?? '',
          ]),
        ),
  )
  if (found.length === 0)
    out.note(
      `No routines in ${place}. Make one with: jetty routines create ${ofTask ? place : `${place}/<task>`}/<name> --daily 09:00`,
    )
}

const overview = (routine: Routine): string =>
  fields([
    ['routine', routineText(routine)],
    ['cadence', cadenceText(keptCadence(routine.cadence))],
    ['version', routine.version ?? 'the newest'],
    ['next', routine.paused ? 'paused' : moment(routine.next_run_at)],
    ['last', routine.last_trajectory_id ? `${moment(routine.last_run_at)}  ${routine.last_trajectory_id}` : '-'],
    ...(routine.last_skip_reason ? ([['left out', routine.last_skip_reason]] as [string, string][]) : []),
    ['parameters', JSON.stringify(routine.init_params_overrides)],
    ['secrets', routine.secret_param_keys.join(', ') || '-'],
    ['webhook', routine.webhook_url && `${routine.webhook_url}${routine.has_webhook_secret ? ' (signed)' : ''}`],
    ['overlap', `${routine.overlap}${routine.waiting > 0 ? ` (${routine.waiting} waiting)` : ''}`],
    ['catch up', routine.catch_up],
  ])

const show = async ({ client, out }: Session, [place]: [string]): Promise<void> => {
  const routine = await client.getRoutine({ params: parseRoutine(place) })
  out.answer(routine, () => overview(routine))
}

/** Converts the options of `create` and `update` to fields of the API. */
const fieldsOf = (options: ChangeOptions) => ({
  ...(options.param && { init_params_overrides: assembled(options.param.map(parseAssignment)) }),
  ...(options.secret && { secret_params: secretsOf(options.secret) }),
  ...(options.webhook && { webhook_url: options.webhook }),
  ...(options.webhookSecretEnv !== undefined && {
    webhook_secret: secretsOf([options.webhookSecretEnv])[options.webhookSecretEnv] ?? null,
  }),
  ...(options.overlap && { overlap: options.overlap }),
  ...(options.catchUp && { catch_up: options.catchUp }),
  ...(options.at !== undefined && { version: options.at }),
})

const create = async (
  { client, out }: Session,
  [place]: [string],
  options: ChangeOptions & { paused?: boolean },
): Promise<void> => {
  const { name, ...params } = parseRoutine(place)
  const body = { name, cadence: requireCadence(options), ...fieldsOf(options), ...(options.paused && { paused: true }) }
  const routine = await client.createRoutine({ params, body })
  out.answer(routine, () => overview(routine))
}

interface UpdateOptions extends Omit<ChangeOptions, 'webhook' | 'at'> {
  at?: string | boolean
  params?: boolean
  secrets?: boolean
  webhook?: string | boolean
}

const update = async ({ client, out }: Session, [place]: [string], options: UpdateOptions): Promise<void> => {
  const { webhook, at, ...rest } = options
  const cadence = cadenceOf(options)
  const body = {
    ...(cadence && { cadence }),
    ...fieldsOf({
      ...rest,
      ...(typeof webhook === 'string' && { webhook }),
      ...(typeof at === 'string' && { at }),
    }),
    ...(at === false && { version: null }),
    ...(options.params === false && { init_params_overrides: {} }),
    ...(options.secrets === false && { secret_params: null }),
    ...(webhook === false && { webhook_url: null }),
  }
  const routine = await client.updateRoutine({ params: parseRoutine(place), body })
  out.answer(routine, () => overview(routine))
}

const run = async (
  session: Session,
  [place]: [string],
  options: { wait?: boolean; follow?: boolean },
): Promise<void> => {
  const { client } = session
  const { name, ...task } = parseRoutine(place)
  const started = await client.runRoutineNow({ params: { ...task, name }, query: refusing })
  const at = { ...task, trajectory_id: started.trajectory_id }
  if (options.wait || options.follow) return showToItsEnd(session, at, options.follow === true)
  showStarted(session, at, started)
}

const runs = async ({ client, out }: Session, [place]: [string], { limit }: { limit: number }): Promise<void> => {
  const at = parseRoutine(place)
  const { trajectories } = await client.listRoutineRuns({ params: at, query: { limit } })
  out.answer(trajectories, () => (trajectories.length === 0 ? '' : runTable(trajectories)))
  if (trajectories.length === 0) out.note(`${routineText(at)} has not run yet.`)
}

const remove = async ({ client, out }: Session, [place]: [string], { yes }: { yes?: boolean }): Promise<void> => {
  const at: RoutinePlace = parseRoutine(place)
  await client.getRoutine({ params: at }) // fails before the question if the routine does not exist
  await confirm(`This deletes the routine ${routineText(at)}.`, yes)
  const answer = await client.deleteRoutine({ params: at })
  out.answer(answer, () => `Deleted ${routineText(at)}`)
}
