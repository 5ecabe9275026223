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
