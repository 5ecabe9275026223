/** Characters that embed, override or isolate a direction: the text around them may be drawn in another order. */
const directionControls = /[\u202a-\u202e\u2066-\u2069]/
const allDirectionControls = new RegExp(directionControls, 'g')

/** Shows the controls of direction in a text as `[U+202E]`. */
export const visibleDirections = (text: string): string =>
  directionControls.test(text)
    ? text.replace(allDirectionControls, (mark) => `[U+${mark.charCodeAt(0).toString(16).toUpperCase()}]`)
    : text
