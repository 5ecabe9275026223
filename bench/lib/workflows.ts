/** A workflow of so many echo steps, each of which reads the one before it. */
export const echoWorkflow = (steps: number) => {
  const names = Array.from({ length: steps }, (_, at) => `echo_${at}`)
  return {
    init_params: { text: 'hello' },
    step_configs: Object.fromEntries(
      names.map((name, at) => [
        name,
        { activity: 'text_echo', text_path: at === 0 ? 'init_params.text' : `${names[at - 1]}.outputs.text` },
      ]),
    ),
    steps: names,
  }
}

/** So many waits, each as long as the run's `seconds` say, an echo before each. */
export const sleepWorkflow = (steps: number) => {
  const names = Array.from({ length: steps }, (_, at) => `${at % 2 === 0 ? 'echo' : 'sleep'}_${at}`)
  const config = (name: string) =>
    name.startsWith('echo')
      ? { activity: 'text_echo', text: 'awake' }
      : { activity: 'sleep', seconds_path: 'init_params.seconds' }
  return { init_params: {}, step_configs: Object.fromEntries(names.map((name) => [name, config(name)])), steps: names }
}
