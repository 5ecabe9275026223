import { welcomePage } from '../http/reference/html-page.ts'
import { openApiDocument } from '../http/reference/openapi.ts'
import type { Reply } from '../http/reply.ts'
import { contract } from './contract.ts'

/** What the OpenAPI document says of the whole API and of its groups of operations. */
export const about = {
  title: 'Jetty',
  description:
    'Runs workflows and runbooks durably, records every step, and forwards calls to models. Send an API key as ' +
    '`Authorization: Bearer <key>`. Guides: /docs.',
  tags: {
    Server: 'Health, system, metrics, audit trail and the settings of the whole server.',
    Documentation: 'The guides and this description.',
    Collections: 'The namespaces that own everything else, with their settings, variables and members.',
    Tasks: 'Named workflows with their versions, checks and types.',
    Runs: 'Starting, finding, changing and repeating runs of tasks.',
    Batches: 'A run for each of many items.',
    Evaluations: 'A run for each of many items, and a judgement of every run.',
    Trajectories: 'The record of a run: its steps, values, files, events and logs.',
    Routines: 'Runs on a schedule.',
    Approvals: 'Steps that wait for the decision of a person.',
    Events: 'Steps that wait for an event, and events that were received.',
    Webhooks: 'Notices of runs that have ended, and their deliveries.',
    Labels: 'Keys and values on runs.',
    Files: 'Stored files by their paths.',
    Uploads: 'Files that are uploaded for later runs.',
    'API keys': 'Keys, what they cover and what they may do.',
    Sessions: 'Sign-in of the pages.',
    'Step templates': 'The activities that steps can use.',
    Workers: 'Programs that carry out steps on other machines.',
    Runbooks: 'Checks of runbooks before they run.',
    Chat: 'Calls of models in the formats of OpenAI and Anthropic.',
    Trial: 'Runs on provider keys that the server lends.',
    Datasets: 'Datasets with their metadata, data files and versions.',
    'Dataset items': 'The items of datasets, their results, import and export.',
    Lineage: 'What was made from what.',
    Models: 'Descriptions of trained models.',
    Agents: 'People and programs that own or make things.',
    Relationships: 'Links between datasets, models, tasks and agents.',
    MCP: 'Tools for coding agents.',
    Demo: 'Helpers of the first start.',
  } as Readonly<Record<string, string>>,
}

/** The OpenAPI document of the whole API, generated on first use, and the start page of a server without web pages. */
export const makeReference = (info: { version: string; url?: string }): { openApi(): string; welcomePage(): Reply } => {
  const named = { ...about, ...info }
  let text: string | undefined
  return {
    openApi: () => {
      text ??= JSON.stringify(openApiDocument(contract, named))
      return text
    },
    welcomePage: () => welcomePage(info.version),
  }
}
