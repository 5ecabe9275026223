import { extname } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { Command } from 'commander'
import pc from 'picocolors'
import { pause } from '../../lib/time.ts'
import type { Batch, BatchResult, BatchSummary } from '../../model/runs/batch.ts'
import type { Economy } from '../../model/workflows/economy.ts'
import { exitCodes, interruption } from '../exit.ts'
import { collect, economyMeaning, parseChoice, parseEconomy, positive } from '../input/inputs.ts'
import {
  type DatasetOptions,
  datasetFields,
  delimiterMeaning,
  itemsMeaning,
  parseDelimiter,
  readItemSource,
} from '../input/item-source.ts'
import { type BatchPlace, batchText, parseBatch, parseTaskAt, versionText } from '../input/places.ts'
import { refusing } from '../refusing.ts'
import { type Session, withSession } from '../session.ts'
import { costText, dollars, duration, fields, moment, paintStatus, safe, table } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'
import { labelsOf } from './labels.ts'
import { secretsOf } from './run.ts'

const lookAgainMs = 1_000
/** The first polls come sooner: a small batch may already have ended. */
const firstLooksMs = [100, 200, 400]

/** For example `412 of 500 ended · 3 failed · 20 running · $0.12`. */
const progressText = (batch: Pick<Batch, 'counts' | 'total' | 'cost_usd' | 'estimate_usd'>): string => {
  const { counts, total, cost_usd: usd, estimate_usd: atStart } = batch
  const { pending, running, failed, cancelled } = counts
  return [
    `${total - pending - running} of ${total} ended`,
    ...(failed > 0 ? [pc.red(`${failed} failed`)] : []),
    ...(cancelled > 0 ? [pc.yellow(`${cancelled} cancelled`)] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(usd === null && atStart === null ? [] : [costText(usd, atStart)]),
  ].join(' · ')
}

/** Watches a batch to its end and returns it. Ctrl-C ends only the watching: throws with how to continue. */
const followBatch = async ({ client, out, signal }: Session, place: BatchPlace): Promise<Batch> => {
  const begun = Date.now()
  let batch = await client.getBatch({ params: place })
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${progressText(batch)} ${pc.dim(duration((Date.now() - begun) / 1000))}`)
  try {
    for (let look = 0; batch.ended === null; look++) {
      if (!(await pause(firstLooksMs[look] ?? lookAgainMs, signal))) break
      batch = await client.getBatch({ params: place, signal })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    line?.stop()
  }
  if (signal.aborted) throw goesOn(place)
  out.note(
    `${paintStatus(batch.status)} ${batchText(place)} ${progressText(batch)} ${pc.dim(duration(batch.duration_seconds))}`,
  )
  return batch
}

const goesOn = (place: BatchPlace): Error =>
  interruption(
    `The batch continues on the server: ${batchText(place)}`,
    `Watch it with:  jetty batch watch ${batchText(place)}\nCancel it with: jetty batch cancel ${batchText(place)}`,
  )

const batchArgument = '<collection/batch>'
const formats = parseChoice(['csv', 'jsonl', 'parquet'])

/** `jetty batch …`. */
export const registerBatch = (program: Command): void => {
  const batch = program.command('batch').description('Run a task for each of many items')
  batch
    .command('run <collection/task[@version]> <items>')
    .description('Start a run for each item, and wait until all have ended')
    .option('-c, --max-concurrency <n>', 'runs that execute at once (default: 20)', positive)
    .option('-l, --label <key[=value]>', 'label for every run; repeat for several', collect)
    .option('--name <name>', 'name of the batch')
    .option('--economy <economy>', economyMeaning, parseEconomy)
    .option('--secret <NAME>', 'secret for these runs only, read from the environment variable NAME', collect)
    .option('--split <name>', 'with a dataset: only the items of this split')
    .option('--delimiter <mark>', delimiterMeaning, parseDelimiter)
    .option('--changed-only', 'with a dataset: take over results that still hold, and run only the others')
    .option('--no-wait', 'start it and return')
    .option('-o, --out <path>', 'save the results to this .csv, .jsonl or .parquet file at the end; - is stdout')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      `
${itemsMeaning}

Examples:
  jetty batch run acme/summarize articles.csv --out summaries.csv
  jetty batch run acme/summarize articles.jsonl -c 50 -l experiment=7 --no-wait
  jetty batch run acme/summarize articles.jsonl --economy batch --no-wait
  jetty batch run acme/summarize@production articles.jsonl
  jetty batch run acme/summarize dataset:articles@gold --split test --changed-only
  cat articles.jsonl | jetty batch run acme/summarize - --json`,
    )
    .action(
      withSession<RunOptions, [string, string]>((session, [task, items], options) =>
        run(session, task, items, options),
      ),
    )
  batch
    .command('ls <collection>')
    .description('List batches, newest first')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText('after', '\nExamples:\n  jetty batch ls acme')
    .action(withSession<{ limit: number }, [string]>(list))
  batch
    .command(`get ${batchArgument}`)
    .description('Show a batch: its runs by status, its cost, its first errors')
    .addHelpText('after', '\nExamples:\n  jetty batch get acme/1f2e3d4c')
    .action(
      withSession<object, [string]>(async ({ client, out }, [text]) => {
        const found = await client.getBatch({ params: parseBatch(text) })
        out.answer(found, () => overview(found))
      }),
    )
  batch
    .command(`watch ${batchArgument}`)
    .description('Follow a batch until it has ended')
    .addHelpText('after', '\nExamples:\n  jetty batch watch acme/1f2e3d4c')
    .action(
      withSession<object, [string]>(async (session, [text]) =>
        showEnd(session, await followBatch(session, parseBatch(text))),
      ),
    )
  batch
    .command(`results ${batchArgument}`)
    .description('Print the result of every item, in the order of the items')
    .option('-f, --format <format>', 'csv, jsonl or parquet (default: from the file name, else csv)', formats.once)
    .option('-o, --out <path>', 'output file (default: stdout)', '-')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty batch results acme/1f2e3d4c -o results.csv\n  jetty batch results acme/1f2e3d4c -f jsonl | jq .outputs',
    )
    .action(
      withSession<ResultOptions, [string]>((session, [text], options) => results(session, parseBatch(text), options)),
    )
  batch
    .command(`cancel ${batchArgument}`)
    .description('Stop a batch: cancel its running runs and start no more')
    .addHelpText('after', '\nExamples:\n  jetty batch cancel acme/1f2e3d4c')
    .action(
      withSession<object, [string]>(async ({ client, out }, [text]) => {
        const place = parseBatch(text)
        const after = await client.cancelBatch({ params: place })
        out.answer(after, () => `${paintStatus(after.status)} ${batchText(place)} ${progressText(after)}`)
      }),
    )
}

interface RunOptions extends DatasetOptions {
  maxConcurrency?: number
  economy?: Economy
  label?: string[]
  name?: string
  secret?: string[]
  wait: boolean
  out?: string
  force?: boolean
}

interface ResultOptions {
  format?: string
  out: string
  force?: boolean
}

const run = async (session: Session, task: string, items: string, options: RunOptions): Promise<void> => {
  const { client, out } = session
  const { place: params, version } = parseTaskAt(task)
  const target = options.wait ? options.out : undefined
  if (target !== undefined) requireFree({ path: target, isForced: options.force ?? false })
  const started = await client.runBatch({
    params,
    query: refusing,
    body: {
      ...(await readItemSource(session, params.collection, items)),
      ...datasetFields(options),
      ...(version === undefined ? {} : { version }),
      ...(options.maxConcurrency === undefined ? {} : { max_concurrency: options.maxConcurrency }),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.economy ? { economy: options.economy } : {}),
      ...(options.secret ? { secret_params: secretsOf(options.secret) } : {}),
      labels: labelsOf(options.label),
    },
  })
  const place = { collection: params.collection, batch_id: started.batch_id }
  if (!options.wait) {
    out.answer(started, () => batchText(place))
    out.note(pc.dim(`Watch it with: jetty batch watch ${batchText(place)}`))
    return
  }
  const reused = started.dataset?.reused ? `, ${started.dataset.reused} results taken over` : ''
  out.note(pc.dim(`${batchText(place)}: ${started.total} ${started.total === 1 ? 'item' : 'items'}${reused}`))
  const batch = await followBatch(session, place)
  if (target !== undefined) await results(session, place, { out: target, force: options.force ?? false })
  if (target !== '-') showEnd(session, batch)
}

/** Prints the result. The exit code says whether every run completed. */
const showEnd = ({ out }: Session, batch: Batch): void => {
  out.answer(batch, () => errorsText(batch))
  if (batch.error) out.note(`${pc.red('error:')} ${safe(batch.error)}`)
  if (batch.status !== 'completed' || batch.counts.completed < batch.total) process.exitCode = exitCodes.failed
}

const errorsText = ({ errors }: Batch): string =>
  errors.length === 0
    ? ''
    : table(
        ['ITEM', 'TRAJECTORY', 'ERROR'],
        errors.map(({ index, trajectory_id, error }) => [index, trajectory_id, error]),
      )

const overview = (batch: Batch): string => {
  const head = fields([
    ['batch', batch.batch_id],
    ...(batch.name === null ? [] : ([['name', batch.name]] as [string, string][])),
    ['task', batch.task],
    ['version', versionText(batch.version)],
    ['status', batch.status],
    ['runs', stripVTControlCharacters(progressText(batch))],
    ['created', moment(batch.created)],
    ['duration', duration(batch.duration_seconds)],
    ...(batch.error === null ? [] : ([['error', batch.error]] as [string, string][])),
  ])
  return batch.errors.length === 0 ? head : `${head}\n\n${errorsText(batch)}`
}

const list = async ({ client, out }: Session, [collection]: [string], { limit }: { limit: number }): Promise<void> => {
  const batches: BatchSummary[] = []
  let cursor: string | null = ''
  while (cursor !== null && batches.length < limit) {
    const query: { cursor: string; limit: number } = { cursor, limit: Math.min(limit - batches.length, 100) }
    const page = await client.listBatches({ params: { collection }, query })
    batches.push(...page.batches)
    cursor = page.next_cursor
  }
  out.answer(batches, () => (batches.length === 0 ? '' : batchTable(batches)))
  if (batches.length === 0) out.note(`There are no batches in ${collection}.`)
}

const batchTable = (batches: BatchSummary[]): string =>
  table(
    ['BATCH', 'STATUS', 'TASK', 'VERSION', 'NAME', 'COMPLETED', 'FAILED', 'TOTAL', 'COST', 'CREATED'],
    batches.map(({ batch_id, status, task, version, name, counts, total, cost_usd, created }) => [
      batch_id,
      status,
      task,
      versionText(version),
      name,
      counts.completed,
      counts.failed,
      total,
      cost_usd === null ? null : dollars(cost_usd),
      moment(created),
    ]),
    (text, column) => (column === 1 ? paintStatus(text) : text),
  )

const pageSize = 500

const results = async (session: Session, place: BatchPlace, options: ResultOptions): Promise<void> => {
  const { call, out, signal } = session
  const target = { path: options.out, isForced: options.force ?? false, signal }
  requireFree(target)
  if (out.isJson && options.out === '-' && options.format === undefined) {
    const all = await allResults(session, place)
    return out.answer(all, () => '')
  }
  const ending = extname(options.out).toLowerCase().slice(1)
  const format = options.format ?? (ending === 'jsonl' || ending === 'parquet' ? ending : 'csv')
  const response = await call('getBatchResults', {
    params: { ...place },
    query: { format },
    asResponse: true,
    signal,
  })
  await saveResponse(response as Response, target)
  if (options.out !== '-') out.note(`Results are in ${options.out}`)
}

const allResults = async ({ client }: Session, place: BatchPlace): Promise<BatchResult[]> => {
  const all: BatchResult[] = []
  for (let page = 1; ; page++) {
    const { results, has_more } = await client.getBatchResults({ params: place, query: { page, limit: pageSize } })
    all.push(...results)
    if (!has_more) return all
  }
}
