import type { Workflow } from '../../../src/model/workflows/workflow.ts'

/** Asks a model once; ends with an error where nobody answers. */
const ask = (word: string) =>
  'python3 - <<END\n' +
  'import json, os, urllib.request\n' +
  'opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n' +
  `body = json.dumps({'model': 'gpt-4o-mini', 'messages': [{'role': 'user', 'content': '${word}'}]}).encode()\n` +
  "headers = {'authorization': 'Bearer ' + os.environ['OPENAI_API_KEY'], 'content-type': 'application/json'}\n" +
  "opener.open(urllib.request.Request(os.environ['OPENAI_BASE_URL'] + '/chat/completions', body, headers), timeout=30).read()\n" +
  'END'

/** What an agent does, and what comes of it. */
export interface Kind {
  /** How a run of it ends, unless it is cancelled. */
  reason: string | undefined
  lines(word: string): string[]
  front?: string[]
  seconds?: number
}

/** What agents do, and how it ends whatever happens to those who carry it out. */
export const kinds: Readonly<Record<string, Kind>> = {
  honest: {
    reason: undefined,
    lines: (word) => ['set -e', ask(word), `echo ${word} > /app/results/out`, ask(word)],
    front: ['primary_outputs: out', 'verify: grep -q work- out'],
  },
  daemons: {
    reason: undefined,
    lines: (word) => [
      'for n in 1 2 3; do setsid sh -c "trap : TERM HUP INT; while :; do sleep 1; echo late > /app/results/late; done" & done',
      `echo ${word} > /app/results/out`,
    ],
  },
  boasting: {
    reason: 'verify_failed',
    lines: (word) => ['set -e', ask(word), 'echo All passed > /app/results/out'],
    front: ['verify: grep -q work- out'],
  },
  lazy: { reason: 'missing_files', lines: () => ['echo x > /app/results/other'], front: ['primary_outputs: out'] },
  failing: { reason: 'agent_failed', lines: (word) => [`echo ${word} > /app/results/out; exit 3`] },
  endless: { reason: 'timed_out', lines: () => ['sleep 4711'], seconds: 2 },
  greedy: {
    reason: 'budget_exceeded',
    lines: (word) => ['set -e', ...Array<string>(6).fill(ask(word)), `echo ${word} > /app/results/out`],
  },
}

export const runbookOf = (kind: Kind, word: string): string =>
  [...(kind.front ? ['---', ...kind.front, '---'] : []), `# ${word}`, '', '```sh', ...kind.lines(word), '```', ''].join(
    '\n',
  )

const step = {
  activity: 'runbook',
  agent: 'scripted',
  instruction_path: 'init_params.runbook',
  timeout_sec_path: 'init_params.seconds',
}
const effect = { activity: 'effect', value: 1, from: 1, to: 100 }
export const workflows: Record<string, Workflow> = {
  book: {
    init_params: { seconds: 60 },
    step_configs: { before: effect, run: step, after: effect },
    steps: ['before', 'run', 'after'],
  },
  books: {
    init_params: { items: [] },
    step_configs: {
      fan: {
        activity: 'list_emit_await',
        items_path: 'init_params.items',
        spread_items: true,
        child_workflow_name: 'book',
        max_concurrency: 2,
      },
    },
    steps: ['fan'],
  },
}

/** What a run is about, by the runbook that it has. */
export const kindOf = (runbook: string): { name: string; kind: Kind | undefined; word: string } => {
  const word = /work-\d+/.exec(runbook)?.[0] ?? ''
  const [name, kind] = Object.entries(kinds).find(([, one]) => runbookOf(one, word).trim() === runbook.trim()) ?? []
  return { name: name ?? 'nothing known', kind, word }
}
