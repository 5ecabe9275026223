import { z } from 'zod'
import { endpointTool } from '../endpoint-tool.ts'

export const datasetTools = [
  endpointTool({
    name: 'list-datasets',
    title: 'List datasets',
    description: 'Lists the datasets of a collection.',
    operation: 'listDatasets',
    takes: ['collection', 'limit', 'skip'],
    defaults: { limit: 50 },
    show: (answer: { name: string; description: string | null; format: string | null }[]) =>
      answer.map(({ name, description, format }) => ({ name, description, format })),
    shows: z.object({ datasets: z.array(z.unknown()) }),
  }),
  endpointTool({
    name: 'search-datasets',
    title: 'Search datasets',
    description: 'Finds datasets by a text in their names, descriptions or metadata, public ones of others included.',
    operation: 'searchDatasets',
    takes: ['q', 'limit'],
  }),
  endpointTool({
    name: 'get-dataset',
    title: 'Get dataset',
    description: 'Shows one dataset with its metadata, the JSON Schema of its items and its splits.',
    operation: 'getDataset',
    takes: ['collection', 'dataset'],
  }),
  endpointTool({
    name: 'create-dataset',
    title: 'Create dataset',
    description: 'Creates a dataset. Add items with write-dataset-items.',
    operation: 'createDataset',
    takes: ['collection', 'name', 'long_description', 'item_schema', 'splits'],
  }),
  endpointTool({
    name: 'list-dataset-items',
    title: 'List items of a dataset',
    description: 'Lists items of a version of a dataset, or those with a text: their ids and data.',
    operation: 'listItems',
    takes: ['collection', 'dataset', 'version', 'split', 'q', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: (args) => ({ tool: 'list-dataset-items', args: { ...args, limit: 5 } }),
  }),
  endpointTool({
    name: 'write-dataset-items',
    title: 'Write items of a dataset',
    description:
      'Adds, changes and removes items as one new version. Earlier versions keep their items. Items that do not fit the item_schema are refused.',
    operation: 'writeItems',
    takes: ['collection', 'dataset', 'items', 'remove', 'mode'],
  }),
  endpointTool({
    name: 'add-run-to-dataset',
    title: 'Add a run to a dataset',
    description: 'Makes an item of a run: its parameters, and as expected result its output or a correction.',
    operation: 'addItemFromRun',
    takes: ['collection', 'dataset', 'trajectory_id', 'correction', 'output_path', 'without_expected', 'id'],
  }),
  endpointTool({
    name: 'list-dataset-results',
    title: 'List results of a dataset',
    description:
      'Shows which items have a result of a task, and which results are stale because the item or the workflow has changed.',
    operation: 'listDatasetResults',
    takes: ['collection', 'dataset', 'task', 'version', 'split', 'state', 'limit', 'cursor'],
    defaults: { limit: 20 },
    rest: (args) => ({ tool: 'list-dataset-results', args: { ...args, limit: 5 } }),
  }),
  endpointTool({
    name: 'run-over-dataset',
    title: 'Run a task over a dataset',
    description:
      'Starts a run of a task for each item of a dataset version or split, as one batch that survives crashes. With changed_only, results that still hold are taken over.',
    operation: 'runBatch',
    takes: ['collection', 'task', 'dataset', 'split', 'changed_only', 'max_concurrency', 'name'],
  }),
]
