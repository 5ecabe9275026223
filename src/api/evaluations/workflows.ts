import { type Judge, judgementTask } from '../../model/runs/evaluation.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'

/** Sequence numbers of the steps, by which an evaluation's results are found. */
export const runsSeq = 0
const firstJudgeSeq = 2
export const judgeSeq = (judge: number): number => firstJudgeSeq + judge
export const judgeAt = (seq: number): number => seq - firstJudgeSeq
/** In a judgement: the judge's answer, and the label recorded on the judged run. */
export const verdictSeq = 1
export const labelSeq = 2

const allOf = (items: string, given: Record<string, unknown>): Record<string, unknown> => ({
  activity: 'list_emit_await',
  items_path: items,
  spread_items: true,
  continue_on_error: true,
  max_concurrency_path: 'init_params.max_concurrency',
  share_concurrency: true,
  labels_path: 'init_params.labels?',
  ...given,
})

/**
 * Workflow of an evaluation: runs the task for every item, then lets the judges examine completed runs in parallel,
 * with the same total concurrency. Each judge has a fan-out of its own, so that none is larger than the number of
 * items.
 */
export const evaluationWorkflow = (judges: readonly Pick<Judge, 'name'>[]): Workflow => {
  const judging = judges.map(({ name }, at): [string, Record<string, unknown>] => [
    `judge_${name}`,
    allOf('subjects.outputs.subjects', {
      child_workflow_name: judgementTask,
      child_init_params_path: `init_params.judges[${at}]`,
    }),
  ])
  return {
    init_params: {},
    execution: 'parallel',
    step_configs: {
      runs: allOf('init_params.items', { child_workflow_name_path: 'init_params.task' }),
      subjects: {
        activity: 'evaluation_subjects',
        references_path: 'runs.outputs.trajectory_references',
        expected_path: 'init_params.expected?',
      },
      ...Object.fromEntries(judging),
    },
    steps: ['runs', 'subjects', ...judging.map(([step]) => step)],
  }
}

/** Workflow of one verdict: collects the material, asks the judge, and labels the judged run. */
export const judgementWorkflow: Workflow = {
  init_params: {},
  step_configs: {
    material: {
      activity: 'judge_material',
      trajectory_id_path: 'init_params.trajectory_id',
      read_path: 'init_params.output_path?',
      instruction_path: 'init_params.judge.instruction',
      expected_path: 'init_params.expected?',
    },
    verdict: {
      activity: 'simple_judge',
      item_path: 'material.outputs.item',
      instruction_path: 'material.outputs.instruction',
      model_path: 'init_params.judge.model',
      model_provider_path: 'init_params.judge.model_provider?',
      judge_type_path: 'init_params.judge.judge_type',
      scale_range_path: 'init_params.judge.scale_range?',
      categories_path: 'init_params.judge.categories?',
      temperature_path: 'init_params.judge.temperature?',
      max_tokens_path: 'init_params.judge.max_tokens?',
    },
    label: {
      activity: 'label_run',
      trajectory_id_path: 'init_params.trajectory_id',
      key_path: 'init_params.judge.name',
      value_path: 'verdict.outputs.judgment',
      author_path: 'init_params.judge.author',
    },
  },
  steps: ['material', 'verdict', 'label'],
}

/** Parameters of a judgement, beside the judged run. */
export const judgeParams = ({ name, instruction, model, ...judge }: Judge, outputPath: string | null) => ({
  ...(outputPath === null ? {} : { output_path: outputPath }),
  judge: {
    name,
    author: `judge/${name}`,
    instruction,
    model,
    judge_type: judge.scale ? 'scale' : judge.categories ? 'categorical' : 'binary',
    ...(judge.model_provider === undefined ? {} : { model_provider: judge.model_provider }),
    ...(judge.scale ? { scale_range: judge.scale } : {}),
    ...(judge.categories ? { categories: judge.categories } : {}),
    ...(judge.temperature === undefined ? {} : { temperature: judge.temperature }),
    ...(judge.max_tokens === undefined ? {} : { max_tokens: judge.max_tokens }),
  },
})
