import type { Workflow } from '../src/model/workflows/workflow.ts'

/** A run to record: what is started, and when it is looked at. */
export interface FixtureRun {
  name: string
  /** Name and description of its task. */
  task: string
  description: string
  workflow: Workflow
  params?: Record<string, unknown>
  files?: Record<string, Uint8Array>
  /** `ended` by default; `begun`: once this step is at work. */
  until?: { begun: string } | 'ended'
  /** Cancels it then. */
  cancels?: true
  /** Approves this step once it waits. */
  approves?: string
  /** Another task that the workflow starts. */
  child?: { name: string; workflow: Workflow }
  /** Runs it again from there, and records the second run. */
  rerun?: { from_step: string; init_params: Record<string, unknown> }
  /** Milliseconds that are put in after a step. */
  stretch?: { after: string; byMs: number }
}

type Config = Record<string, unknown>

export const echo = (text: string, more: Config = {}): Config => ({ activity: 'text_echo', text, ...more })
export const nap = (seconds: number, more: Config = {}): Config => ({ activity: 'sleep', seconds, ...more })
export const steps = (configs: Record<string, Config>, more: Partial<Workflow> = {}): Workflow => ({
  step_configs: configs,
  steps: Object.keys(configs),
  ...more,
})
export const numbered = (length: number, make: (at: number) => Config): Record<string, Config> =>
  Object.fromEntries(Array.from({ length }, (_, at) => [`step_${at + 1}`, make(at)]))

/** A text with headings, a list, a table and a link. */
export const answer = `## Harbours

A **jetty** is a structure that reaches into the water:

- it protects the harbour
- ships tie up at it

| name | metres |
| --- | --- |
| Busan | 1,200 |
| Hamburg | 640 |

Read [more](https://example.com/jetties).`

const topic = 'init_params.topic'

/** What an everyday task looks like: its pages are shown in the README. */
export const weeklyReport: FixtureRun = {
  name: 'weekly-report',
  task: 'weekly-report',
  description: 'Collects news, numbers and voices, and sends a report that somebody has read',
  params: { topic: 'harbours of the north', words: 120, tone: 'plain' },
  workflow: {
    ...steps({
      plan: { activity: 'text_template', template: 'News, numbers and voices about {{topic}}', topic_path: topic },
      news: { activity: 'litellm_chat', model: 'openai/gpt-4o-mini', prompt_path: 'plan.outputs.text' },
      numbers: nap(0.9, { depends_on: ['plan'] }),
      voices: nap(0.6, { depends_on: ['plan'] }),
      draft: {
        activity: 'litellm_chat',
        model: 'openai/gpt-4o',
        system_prompt: 'Write for people who have two minutes.',
        prompt: 'Write a report of {{init_params.words}} words: {{news.outputs.text}}',
        temperature: 0.2,
        depends_on: ['news', 'numbers', 'voices'],
      },
      review: {
        activity: 'wait_for_approval',
        message: 'Send this report to the list?\n\n{{draft.outputs.text}}',
        assignees: ['editors'],
      },
      send: {
        activity: 'save_text_file',
        text_path: 'draft.outputs.text',
        filename: 'report.md',
        depends_on: ['review'],
      },
    }),
    execution: 'parallel',
  },
  approves: 'review',
}
