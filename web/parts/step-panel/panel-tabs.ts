import type { RunStep } from '../../data/run.ts'

const panelNames = ['error', 'input', 'output', 'span', 'log', 'config', 'attempts', 'runs'] as const
export type PanelName = (typeof panelNames)[number]

/** Activities that start runs of their own. */
const startsRuns = ({ activity }: Pick<RunStep, 'activity'>): boolean =>
  activity === 'list_emit_await' || activity === 'run_workflow'

const texts: Record<PanelName, string> = {
  error: 'Error',
  input: 'Input',
  output: 'Output',
  span: 'Attributes',
  log: 'Log',
  config: 'Config',
  attempts: 'Attempts',
  runs: 'Runs',
}

/** The tabs of the panel for a step, in order. */
export const panelTabs = (step: RunStep): { name: PanelName; text: string; count?: string }[] => {
  const shown: Record<PanelName, boolean> = {
    error: step.error !== null,
    input: true,
    output: true,
    span: step.span !== undefined,
    // A span brings events in the place of a log, and nothing here was configured.
    log: step.span === undefined,
    config: step.span === undefined,
    attempts: step.attempt > 1,
    runs: startsRuns(step),
  }
  return panelNames
    .filter((name) => shown[name])
    .map((name) => ({
      name,
      text: texts[name],
      ...(name === 'attempts' ? { count: String(step.attempt) } : {}),
    }))
}

/** The tab to show: the wanted one where the step has it, else what tells most. A model with tools talks while it runs. */
export const shownPanel = (step: RunStep, wanted: string | undefined, hasTools = false): PanelName => {
  const tabs = panelTabs(step)
  const found = tabs.find(({ name }) => name === wanted)
  if (found) return found.name
  if (step.error !== null) return 'error'
  if (step.ended !== null || hasTools) return 'output'
  return startsRuns(step) ? 'runs' : 'input'
}
