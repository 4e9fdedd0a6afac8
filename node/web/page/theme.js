// The theme that was chosen is in force before anything is shown.
try {
  const chosen = localStorage.getItem("edge-video.theme");
  if (chosen) document.documentElement.setAttribute("data-theme", chosen);
} catch {
  // The system's is shown.
}
