/** Workflow of a runbook for which nobody wrote one: a single step that reads everything from `init_params`. */
export const standardRunbookWorkflow = (initParams: Readonly<Record<string, unknown>> = {}) => ({
  init_params: { ...initParams },
  step_configs: {
    run: {
      activity: 'runbook',
      agent_path: 'init_params.agent',
      model_path: 'init_params.model',
      model_provider_path: 'init_params.model_provider',
      instruction_path: 'init_params.instruction',
      prompt_path: 'init_params.prompt',
      template_variables_path: 'init_params.vars',
      files_path: 'init_params.file_paths',
      snapshot_path: 'init_params.snapshot',
      cpus: 4,
      memory: '8G',
      timeout_sec: 1200,
      network_enabled: true,
    },
  },
  steps: ['run'],
})

/** Further fields of such a task. */
export const standardRunbookTask = { has_file_uploads: true, is_chat_flow: true } as const
