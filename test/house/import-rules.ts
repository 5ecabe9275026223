export interface ImportRule {
  /**
   * The files the rule is for, from src, or from the root where they are below web; the first rule that fits a file
   * counts. A `*` stands for one folder or file.
   */
  of: string
  /** What they may import of ours; `own/` is the folder they stand in, `page/` the folder of their page. */
  may: string[]
  /** What they may import only as types, which the build leaves out. */
  types?: string[]
  /** The npm packages they may import, where that is limited. */
  packages?: string[]
}

/** The layers of the engine that others build on, lowest first. */
const engineLayers = ['environment', 'program', 'journal', 'leases', 'steps', 'runs', 'start'] as const

/** The port of the engine, and its layers up to one. */
const engineUpTo = (layer: (typeof engineLayers)[number]): string[] => [
  'engine/engine.ts',
  ...engineLayers.slice(0, engineLayers.indexOf(layer) + 1).map((one) => `engine/${one}/`),
]

/** What every closet of the engine may import from outside. */
const belowEngine = ['store/', 'activities/activity.ts', 'activities/workers/', 'lib/', 'model/']

/** What the browser loads of src, and what it knows only by type: schemas and zod are never loaded. */
const browserMay = [
  ...['client/', 'lib/errors.ts', 'lib/time.ts'],
  'model/gateway/model-totals.ts', // sums of usage, which has only types from elsewhere
  // Text of JSON as it was stored: pure, and without imports of their own.
  ...['lib/json/json-object.ts', 'lib/json/json-text.ts', 'lib/json/pretty-json.ts', 'lib/text/markdown.ts'],
]
const browserTypes = ['api/contract.ts', 'api/*/contract.ts', 'model/']

/** What may import what. ARCHITECTURE.md explains why; a folder without a row may not exist. */
export const importRules: ImportRule[] = [
  { of: 'lib/', may: ['lib/'] },
  { of: 'model/', may: ['model/'], packages: ['zod'] },
  { of: 'store/database/', may: ['store/database/', 'lib/', 'model/'] },
  { of: 'store/', may: ['store/', 'lib/', 'model/'] },
  { of: 'providers/upstream/', may: ['providers/upstream/', 'lib/', 'model/'] },
  { of: 'providers/', may: ['providers/', 'lib/', 'model/'] },
  { of: 'activities/registry.ts', may: ['activities/'] },
  { of: 'activities/', may: ['activities/activity.ts', 'own/', 'lib/', 'model/'] },
  // The engine in layers: a closet may import those before it, never those after it.
  { of: 'engine/engine.ts', may: ['lib/', 'model/'] },
  { of: 'engine/environment/', may: ['own/', ...belowEngine] },
  { of: 'engine/program/', may: ['own/', ...belowEngine] },
  { of: 'engine/journal/', may: ['own/', ...engineUpTo('program'), ...belowEngine] },
  { of: 'engine/records/', may: ['own/', ...engineUpTo('journal'), ...belowEngine] },
  { of: 'engine/leases/', may: ['own/', ...engineUpTo('journal'), ...belowEngine] },
  { of: 'engine/steps/', may: ['engine/steps/', ...engineUpTo('leases'), ...belowEngine] },
  { of: 'engine/workers/', may: ['own/', ...engineUpTo('steps'), ...belowEngine] },
  { of: 'engine/waits/', may: ['own/', 'engine/workers/', ...engineUpTo('steps'), ...belowEngine] },
  { of: 'engine/runbooks/', may: ['own/', ...engineUpTo('steps'), ...belowEngine] },
  { of: 'engine/runs/', may: ['own/', ...engineUpTo('steps'), ...belowEngine] },
  { of: 'engine/start/', may: ['own/', ...engineUpTo('runs'), ...belowEngine] },
  { of: 'engine/fan-out/', may: ['own/', ...engineUpTo('start'), ...belowEngine] },
  { of: 'engine/*.ts', may: ['engine/', ...belowEngine] }, // put the closets together
  {
    of: 'gateway/',
    may: ['gateway/', 'engine/', 'store/', 'providers/', 'http/', 'lib/', 'model/'],
  },
  { of: 'background/webhooks/', may: ['own/', 'store/', 'lib/', 'model/'] },
  { of: 'background/otlp-export/', may: ['own/', 'traces/', 'store/', 'lib/', 'model/'] },
  { of: 'background/provider-batches/', may: ['own/', 'store/', 'providers/', 'lib/', 'model/'] },
  { of: 'background/bulk-actions/', may: ['own/', 'engine/engine.ts', 'store/', 'lib/', 'model/'] },
  { of: 'background/experiments/', may: ['own/', 'engine/engine.ts', 'store/', 'lib/', 'model/'] },
  { of: 'background/hooks/', may: ['own/', 'engine/engine.ts', 'store/', 'lib/', 'model/'] },
  { of: 'background/routines/', may: ['background/routines/', 'engine/', 'store/', 'lib/', 'model/'] },
  { of: 'sandbox/isolation/', may: ['sandbox/isolation/', 'lib/', 'model/'] },
  { of: 'sandbox/gateway/', may: ['sandbox/gateway/', 'providers/', 'lib/', 'model/'] },
  { of: 'sandbox/agents/', may: ['sandbox/agents/', 'lib/', 'model/'] },
  {
    of: 'sandbox/runbooks/',
    may: [
      'sandbox/runbooks/',
      'sandbox/isolation/',
      'sandbox/agents/agent.ts',
      'sandbox/agents/agents.ts',
      'sandbox/gateway/sandbox-gateway.ts',
      'activities/judge/ask.ts',
      'activities/judge/question.ts',
      'lib/',
      'model/',
    ],
  },
  {
    of: 'sandbox/scripts/',
    may: [
      'sandbox/scripts/',
      'sandbox/runbooks/carry-out.ts',
      'sandbox/runbooks/environment.ts',
      'sandbox/runbooks/output-lines.ts',
      'sandbox/runbooks/runbook-slots.ts',
      'sandbox/runbooks/tail.ts',
      'sandbox/runbooks/results/keep-results.ts',
      'sandbox/gateway/open-proxy.ts',
      'sandbox/isolation/',
      'lib/',
      'model/',
    ],
  },
  { of: 'datasets/croissant/', may: ['datasets/croissant/', 'lib/', 'model/'], packages: [] },
  { of: 'traces/', may: ['traces/', 'lib/', 'model/'] },
  { of: 'datasets/preview/', may: ['datasets/preview/', 'lib/', 'model/'] },
  // The browser loads contracts: nothing of the server may come with them.
  { of: 'api/*/contract.ts', may: ['model/', 'http/endpoint.ts'], packages: ['zod'] },
  {
    of: 'api/',
    may: [
      'api/',
      'engine/',
      'store/',
      'gateway/gateway.ts',
      'background/hooks/',
      'background/routines/',
      'sandbox/runbooks/format/validate.ts',
      'sandbox/runbooks/format/templates.ts',
      'providers/provider.ts',
      'activities/activity.ts',
      'datasets/croissant/export.ts',
      'datasets/croissant/run-report.ts',
      'datasets/preview/preview.ts',
      'datasets/preview/run-preview.ts',
      'traces/',
      'http/',
      'lib/',
      'model/',
    ],
  },
  { of: 'http/', may: ['http/', 'api/*.ts', 'api/*/contract.ts', 'api/*/routes.ts', 'lib/', 'model/'] },
  // A worker is a client of the server, on another machine.
  { of: 'client/worker/', may: ['own/', 'client/', 'activities/own/', 'lib/', 'model/'] },
  { of: 'client/', may: ['client/', 'api/contract.ts', 'api/*/contract.ts', 'http/endpoint.ts', 'lib/', 'model/'] },
  {
    of: 'mcp/',
    may: ['mcp/', 'client/', 'api/contract.ts', 'http/endpoint.ts', 'lib/', 'model/'],
  },
  {
    of: 'cli/',
    may: [
      ...['cli/', 'client/', 'mcp/serve-stdio.ts', 'sandbox/runbooks/', 'server/start-server.ts', 'server/local/'],
      ...['lib/', 'model/'],
      'activities/own/',
    ],
  },
  { of: 'server/demo/', may: ['server/demo/', 'engine/engine.ts', 'store/', 'lib/', 'model/'] },
  { of: 'server/backup/', may: ['own/', 'store/', 'lib/', 'model/'] },
  // The composition of commands that work on this machine without a server: parts of a server, and nothing that serves.
  {
    of: 'server/local/',
    may: [
      'server/local/',
      'server/',
      'engine/leases/held-runs.ts',
      'engine/runbooks/scrubbed-file.ts',
      'http/listen-address.ts',
      'providers/',
      'sandbox/agents/',
      'sandbox/isolation/',
      'store/',
      'lib/',
      'model/',
    ],
  },
  // The composition of a server: it puts all rooms together.
  {
    of: 'server/',
    may: [
      'server/',
      'api/',
      'http/',
      'gateway/',
      'mcp/transport/answer-http.ts',
      'client/load-operations.ts',
      'engine/',
      'background/',
      'activities/',
      'providers/',
      'sandbox/',
      'store/',
      'traces/',
      'lib/',
      'model/',
    ],
  },
  { of: 'bin.ts', may: ['cli/'] },
  // The pages: from a page over parts down to what knows nothing of Jetty.
  { of: 'web/text/', may: ['web/text/'], packages: [] },
  { of: 'web/ui/', may: ['web/ui/', 'web/text/'], packages: ['react'] },
  { of: 'web/data/', may: ['web/data/', 'web/text/', ...browserMay], types: ['zod', ...browserTypes] },
  {
    of: 'web/parts/',
    may: ['web/parts/', 'web/data/', 'web/ui/', 'web/text/', ...browserMay],
    types: browserTypes,
  },
  {
    of: 'web/pages/',
    may: ['page/', 'web/parts/', 'web/data/', 'web/ui/', 'web/text/', ...browserMay],
    types: browserTypes,
  },
  { of: 'web/shell/', may: ['web/shell/', 'web/parts/', 'web/data/', 'web/ui/', 'web/text/'] },
  { of: 'web/vite.config.ts', may: ['api/contract.ts', 'client/operations.ts'] },
  { of: 'web/env.d.ts', may: ['client/operations.ts'] },
  { of: 'web/fixtures/', may: ['web/'], types: ['client/client.ts'] },
  { of: 'web/', may: ['web/'] }, // put the pages together
]

/** Packages that only these files may know, so that they can be replaced. */
export const onlyImporters: Record<string, readonly string[]> = {
  croner: ['background/routines/cadence.ts'],
  yaml: [
    'sandbox/runbooks/format/front-matter.ts',
    'cli/input/yaml-document.ts',
    'activities/shaping/read-document.ts',
  ],
  jsonata: ['activities/shaping/evaluate.ts'],
  htmlparser2: ['activities/shaping/read-document.ts'],
  unpdf: ['activities/shaping/read-pdf.ts'],
  micromark: ['activities/shaping/write-document.ts'],
  dockerode: [
    'sandbox/isolation/containers/engine.ts',
    'sandbox/isolation/containers/engine-images.ts',
    'sandbox/isolation/containers/started-container.ts',
  ],
  aws4fetch: ['store/objects/s3/client.ts'],
  yauzl: ['sandbox/isolation/files/put-inputs.ts', 'datasets/preview/preview-file.ts'],
  hyparquet: ['datasets/preview/parquet.ts', 'datasets/preview/parquet-lines.ts'],
  'hyparquet-writer': ['api/items/parquet-export.ts'],
  'hyparquet-compressors': ['datasets/preview/parquet.ts', 'datasets/preview/parquet-lines.ts'],
}

/** Whether a path from src fits a pattern: a file, a folder with everything in it (`lib/`), either with `*` in it. */
export const fits = (pattern: string, path: string): boolean => {
  const expression = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')
  return new RegExp(`^${expression}${pattern === '' || pattern.endsWith('/') ? '' : '$'}`).test(path)
}
