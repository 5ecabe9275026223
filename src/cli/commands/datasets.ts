import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { CsvDelimiterName } from '../../lib/text/csv.ts'
import type { WrittenItems } from '../../model/data/item.ts'
import { confirm } from '../input/ask.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { filePart, parseChoice, positive } from '../input/inputs.ts'
import { delimiterMeaning, parseDelimiter } from '../input/item-source.ts'
import { parseDataset } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { fields, moment, safe, table } from '../show/output.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'

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

const formats = parseChoice(['jsonl', 'csv', 'json', 'parquet'])

/** The commands of `jetty datasets` for items. */
const registerDatasetItems = (datasets: Command): void => {
  datasets
    .command('items <collection/dataset>')
    .description('List the items of a dataset')
    .option('--at <version>', 'version: ~n, a tag or a content hash (default: the newest)')
    .option('--split <name>', 'only items of this split')
    .option('--search <text>', 'only items whose id or data contain this text, in any case')
    .option('-n, --limit <n>', 'maximum number to list', positive, 20)
    .addHelpText(
      'after',
      '\nExamples:\n  jetty datasets items acme/questions\n  jetty datasets items acme/questions --search refund\n  jetty datasets items acme/questions --at gold --json',
    )
    .action(withSession<ListOptions, [string]>(listItems))
  datasets
    .command('import <collection/dataset> <file>')
    .description('Write the items of a .csv, .jsonl or .json file as one new version')
    .option('--replace', 'remove items that are not in the file')
    .option('--id <column>', 'column that is the id of an item (default: id)')
    .option('--delimiter <mark>', delimiterMeaning, parseDelimiter)
    .addHelpText(
      'after',
      `
An item without an id gets one from its data, so importing a file again changes nothing. A column name:json holds JSON.

Examples:
  jetty datasets import acme/questions questions.csv
  jetty datasets import acme/questions questions.jsonl --replace --id key`,
    )
    .action(withSession<ImportOptions, [string, string]>(importFile))
  datasets
    .command('export <collection/dataset>')
    .description('Write all items to a file that can be imported again')
    .option('--at <version>', 'version: ~n, a tag or a content hash (default: the newest)')
    .option('--split <name>', 'only items of this split')
    .option('-f, --format <format>', 'jsonl, csv, json or parquet (default: jsonl)', formats.once)
    .option('-o, --out <path>', 'output file (default: stdout)', '-')
    .option('--force', 'overwrite an existing file')
    .addHelpText('after', '\nExamples:\n  jetty datasets export acme/questions -f csv -o questions.csv')
    .action(withSession<ExportOptions, [string]>(exportItems))
  datasets
    .command('add <collection/dataset> <run>')
    .description('Make an item of a run: its parameters, and its output or a correction as the expected result')
    .option('--correction <json>', 'the right result, as JSON or plain text')
    .option('--step <name>', 'take the inputs and outputs of this step in the place of those of the run')
    .option('--output-path <path>', 'path of the expected result (default: the outputs of the last step)')
    .option('--without-expected', 'take only the parameters')
    .option('--id <id>', 'id of the item (default: one made from the run)')
    .addHelpText(
      'after',
      `
${runMeaning}

Examples:
  jetty datasets add acme/questions acme/answer/1f2e3d4c
  jetty datasets add acme/questions acme/answer/1f2e3d4c --correction 'The right answer'`,
    )
    .action(withSession<AddOptions, [string, string]>(add))
  datasets
    .command('tag <collection/dataset> <tag>')
    .description('Give a version a name; a tag that exists moves')
    .option('--at <version>', 'version: ~n, a tag or a content hash (default: the newest)')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty datasets tag acme/questions gold\n  jetty datasets tag acme/questions gold --at ~3',
    )
    .action(withSession<{ at?: string }, [string, string]>(tag))
}

const versionOf = (at: string | undefined) => (at === undefined ? {} : { version: at })

interface ListOptions {
  at?: string
  split?: string
  search?: string
  limit: number
}

const shownCharacters = 100

const listItems = async ({ client, out }: Session, [place]: [string], options: ListOptions): Promise<void> => {
  const query = {
    ...versionOf(options.at),
    ...(options.split === undefined ? {} : { split: options.split }),
    ...(options.search === undefined ? {} : { q: options.search }),
    limit: Math.min(options.limit, 1000),
  }
  const params = parseDataset(place)
  const page = await client.listItems({ params, query })
  // A call looks through some of the items; a rare text is searched for in all of them.
  while (options.search !== undefined && page.next_cursor !== null && page.items.length < query.limit) {
    const rest = { ...query, limit: query.limit - page.items.length, cursor: page.next_cursor }
    const more = await client.listItems({ params, query: rest })
    page.items.push(...more.items)
    page.searched = (page.searched ?? 0) + (more.searched ?? 0)
    page.next_cursor = more.next_cursor
  }
  out.answer(page, () =>
    page.items.length === 0
      ? ''
      : table(
          ['ITEM', 'SPLIT', 'DATA'],
          page.items.map(({ id, split, data }) => [id, split ?? '-', JSON.stringify(data).slice(0, shownCharacters)]),
        ),
  )
  const found = options.search === undefined ? '' : ` with '${safe(options.search)}'`
  out.note(`Version ~${page.version}: ${page.items.length} of ${page.total} items${found}`)
}

const writtenText = ({ version, added, changed, removed, unchanged, count }: WrittenItems): string =>
  `Version ~${version} has ${count} items: ${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged`

interface ImportOptions {
  replace?: boolean
  id?: string
  delimiter?: CsvDelimiterName
}

const importFile = async (
  { client, out }: Session,
  [place, path]: [string, string],
  options: ImportOptions,
): Promise<void> => {
  const body = {
    ...(options.replace ? { mode: 'replace' as const } : {}),
    ...(options.id === undefined ? {} : { id_column: options.id }),
    ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
  }
  const files = [await filePart('file', path)]
  const written = await client.importItems({ params: parseDataset(place), body, files })
  out.answer(written, () => writtenText(written))
}

interface ExportOptions {
  at?: string
  split?: string
  format?: string
  out: string
  force?: boolean
}

const exportItems = async (
  { client, out, signal }: Session,
  [place]: [string],
  options: ExportOptions,
): Promise<void> => {
  const target = { path: options.out, isForced: options.force ?? false, signal }
  requireFree(target)
  const query = {
    ...versionOf(options.at),
    ...(options.split === undefined ? {} : { split: options.split }),
    ...(options.format === undefined ? {} : { format: options.format as 'csv' }),
  }
  await saveResponse(await client.exportItems({ params: parseDataset(place), query, signal }), target)
  if (options.out !== '-') out.answer({ path: options.out }, () => options.out)
}

interface AddOptions {
  step?: string
  correction?: string
  outputPath?: string
  withoutExpected?: boolean
  id?: string
}

const add = async (session: Session, [place, run]: [string, string], options: AddOptions): Promise<void> => {
  const { client, out } = session
  const params = parseDataset(place)
  const { collection, task, trajectory_id } = await findRunPlace(session, run)
  if (collection.toLowerCase() !== params.collection.toLowerCase()) {
    throw new AppError('invalid', `The run is in ${collection}, but the dataset is in ${params.collection}`, {
      hint: 'Both must be in one collection.',
    })
  }
  const { correction, step, outputPath, withoutExpected, id } = options
  const body = {
    ...{ task, trajectory_id },
    ...(correction === undefined ? {} : { correction: parsedJson(correction) ?? correction }),
    ...(step === undefined ? {} : { step }),
    ...(outputPath === undefined ? {} : { output_path: outputPath }),
    ...(withoutExpected ? { without_expected: true } : {}),
    ...(id === undefined ? {} : { id }),
  }
  const answer = await client.addItemFromRun({ params, body })
  out.answer(answer, () => `${answer.item.id}\n${writtenText(answer.written)}`)
}

const tag = async (
  { client, out }: Session,
  [place, name]: [string, string],
  { at }: { at?: string },
): Promise<void> => {
  const params = { ...parseDataset(place), tag: name }
  const answer = await client.setDatasetTag({ params, body: versionOf(at) })
  out.answer(answer, () => `${answer.tag} is version ~${answer.version}`)
}
