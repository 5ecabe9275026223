import type { Command } from 'commander'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { confirm } from '../input/ask.ts'
import { filePart, parseChoice, positive } from '../input/inputs.ts'
import { parseDataset } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, table } from '../show/output.ts'
import { registerDatasetItems } from './dataset-items.ts'

/** `jetty datasets …`. */
export const registerDatasets = (program: Command): void => {
  const datasets = program
    .command('datasets')
    .alias('dataset')
    .description('Manage datasets: items with versions, data files, results')
  datasets
    .command('ls <collection>')
    .description('List the datasets of a collection, oldest first')
    .addHelpText('after', '\nExamples:\n  jetty datasets ls acme')
    .action(withSession<object, [string]>(list))
  datasets
    .command('get <collection/dataset>')
    .description('Show a dataset: its newest version, items and data files')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty datasets get acme/questions\n  jetty datasets get acme/questions --json',
    )
    .action(withSession<object, [string]>(show))
  datasets
    .command('create <collection/dataset>')
    .description('Create a dataset')
    .option('-d, --description <text>', 'what the data is')
    .option('--public', 'let everybody read it')
    .addHelpText('after', "\nExamples:\n  jetty datasets create acme/questions -d 'Questions of customers'")
    .action(withSession<CreateOptions, [string]>(create))
  registerDatasetItems(datasets)
  datasets
    .command('upload <collection/dataset> <file>')
    .description('Upload a data file, such as a .tar.gz or a Parquet file')
    .addHelpText('after', '\nExamples:\n  jetty datasets upload acme/images images.tar.gz')
    .action(withSession<object, [string, string]>(upload))
  datasets
    .command('results <collection/dataset> <task>')
    .description('Show which items have a result of a task, and which results are stale')
    .option('--state <state>', 'only items in this state, such as stale, fresh or missing', states.once)
    .option('--split <name>', 'only items of this split')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText(
      'after',
      `
A result is stale when the item or the workflow of the task has changed since. Run what is stale with:
  jetty batch run acme/answer dataset:questions --changed-only

Examples:
  jetty datasets results acme/questions answer
  jetty datasets results acme/questions answer --state stale`,
    )
    .action(withSession<ResultOptions, [string, string]>(results))
  datasets
    .command('rm <collection/dataset>')
    .description('Delete a dataset with its versions, items and files')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText('after', '\nExamples:\n  jetty datasets rm acme/questions')
    .action(withSession<{ yes?: boolean }, [string]>(remove))
}

const states = parseChoice(['stale', 'fresh', 'item_changed', 'task_changed', 'running', 'failed', 'missing'])

const list = async ({ client, out }: Session, [collection]: [string]): Promise<void> => {
  const datasets = await client.listDatasets({ params: { collection }, query: { limit: 1000 } })
  out.answer(datasets, () =>
    datasets.length === 0
      ? ''
      : table(
          ['DATASET', 'FORMAT', 'READABLE BY', 'DESCRIPTION'],
          datasets.map((one) => [
            `${one.collection_name}/${one.name}`,
            one.format ?? '-',
            one.is_private ? 'keys of the collection' : 'everybody',
            one.description || '-',
          ]),
        ),
  )
  if (datasets.length === 0)
    out.note(`No datasets in ${collection} yet. Add one with: jetty datasets create ${collection}/<name>`)
}

const show = async ({ client, out }: Session, [place]: [string]): Promise<void> => {
  const params = parseDataset(place)
  const dataset = await client.getDataset({ params })
  const [items, { files }] = await Promise.all([
    client.listItems({ params, query: { limit: 1 } }),
    client.listDatasetData({ params, query: { limit: 1000 } }),
  ])
  const head = () =>
    fields([
      ['dataset', `${dataset.collection_name}/${dataset.name}`],
      ...(dataset.description ? ([['description', dataset.description]] as [string, string][]) : []),
      ['version', `~${dataset.version}`],
      ['items', String(items.total)],
      ...(dataset.splits ? ([['splits', Object.keys(dataset.splits).join(', ')]] as [string, string][]) : []),
      ['readable by', dataset.is_private ? 'keys of the collection' : 'everybody'],
      ['created', moment(dataset.created_at)],
    ])
  const listed = () =>
    table(
      ['FILE', 'SIZE', 'PATH'],
      files.map((file) => [file.file_number, byteSize(file.size), file.file_path]),
    )
  out.answer({ ...dataset, items: items.total, files }, () =>
    files.length === 0 ? head() : `${head()}\n\n${listed()}`,
  )
}

interface CreateOptions {
  description?: string
  public?: boolean
}

const create = async ({ client, out }: Session, [place]: [string], options: CreateOptions): Promise<void> => {
  const { collection, dataset: name } = parseDataset(place)
  const { description } = options
  const body = { name, is_private: !options.public, ...(description === undefined ? {} : { description }) }
  const made = await client.createDataset({ params: { collection }, body })
  out.answer(made, () => `${made.collection_name}/${made.name}`)
}

const upload = async ({ client, out }: Session, [place, path]: [string, string]): Promise<void> => {
  const params = parseDataset(place)
  const answer = await client.uploadDatasetData({ params, body: {}, files: [await filePart('data_file', path)] })
  out.answer(answer, () => answer.file_path)
}

interface ResultOptions {
  state?: string
  split?: string
  limit: number
}

const results = async (
  { client, out }: Session,
  [place, task]: [string, string],
  { state, split, limit }: ResultOptions,
): Promise<void> => {
  const query = {
    ...{ task, limit: Math.min(limit, 1000) },
    ...(state === undefined ? {} : { state: state as 'stale' }),
    ...(split === undefined ? {} : { split }),
  }
  const found = await client.listDatasetResults({ params: parseDataset(place), query })
  const counts = Object.entries(found.counts ?? {}).map(([name, count]) => `${count} ${name.replace('_', ' ')}`)
  out.answer(found, () =>
    found.items.length === 0
      ? ''
      : table(
          ['ITEM', 'STATE', 'RUN', 'ENDED'],
          found.items.map(({ id, state: shown, run }) => [
            id,
            shown.replace('_', ' '),
            run?.trajectory_id ?? '-',
            run?.ended ? moment(run.ended) : '-',
          ]),
        ),
  )
  out.note(`Version ~${found.version}: ${counts.join(', ') || 'no items'}`)
}

const remove = async ({ client, out }: Session, [place]: [string], options: { yes?: boolean }): Promise<void> => {
  const params = parseDataset(place)
  await client.getDataset({ params }) // what is not there needs no question
  await confirm(`This deletes the dataset ${place} with its versions, items and files.`, options.yes)
  const answer = await client.deleteDataset({ params })
  out.answer(answer, () => `Deleted ${place}`)
}
