{
 "patcher": {
  "fileversion": 1,
  "appversion": {
   "major": 8,
   "minor": 5,
   "revision": 5,
   "architecture": "x64",
   "modernui": 1
  },
  "classnamespace": "box",
  "rect": [ 60.0, 80.0, 940.0, 820.0 ],
  "bglocked": 0,
  "openinpresentation": 0,
  "default_fontsize": 12.0,
  "default_fontface": 0,
  "default_fontname": "Arial",
  "gridonopen": 0,
  "gridsize": [ 5.0, 5.0 ],
  "gridsnaponopen": 1,
  "objectsnaponopen": 1,
  "statusbarvisible": 2,
  "toolbarvisible": 1,
  "lefttoolbarpinned": 0,
  "toptoolbarpinned": 0,
  "righttoolbarpinned": 0,
  "bottomtoolbarpinned": 0,
  "toolbars_unpinned_last_save": 0,
  "tallnewobj": 0,
  "boxanimatetime": 200,
  "enablehscroll": 1,
  "enablevscroll": 1,
  "devicewidth": 0.0,
  "description": "An instrument for hxmx",
  "digest": "",
  "tags": "",
  "style": "",
  "subpatcher_template": "",
  "assistshowspatchername": 0,
  "boxes": [
   {
    "box": {
     "angle": 270.0,
     "background": 1,
     "bgcolor": [ 0.85, 0.89, 0.94, 1.0 ],
     "id": "obj-1",
     "maxclass": "panel",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 15.0, 15.0, 910.0, 80.0 ],
     "proportion": 0.5
    }
   },
   {
    "box": {
     "angle": 270.0,
     "background": 1,
     "bgcolor": [ 0.89, 0.94, 0.88, 1.0 ],
     "id": "obj-2",
     "maxclass": "panel",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 15.0, 105.0, 450.0, 385.0 ],
     "proportion": 0.5
    }
   },
   {
    "box": {
     "angle": 270.0,
     "background": 1,
     "bgcolor": [ 0.96, 0.92, 0.84, 1.0 ],
     "id": "obj-3",
     "maxclass": "panel",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 475.0, 105.0, 450.0, 385.0 ],
     "proportion": 0.5
    }
   },
   {
    "box": {
     "angle": 270.0,
     "background": 1,
     "bgcolor": [ 0.93, 0.89, 0.95, 1.0 ],
     "id": "obj-4",
     "maxclass": "panel",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 15.0, 500.0, 560.0, 300.0 ],
     "proportion": 0.5
    }
   },
   {
    "box": {
     "angle": 270.0,
     "background": 1,
     "bgcolor": [ 0.9, 0.9, 0.9, 1.0 ],
     "id": "obj-5",
     "maxclass": "panel",
     "mode": 0,
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 585.0, 500.0, 340.0, 300.0 ],
     "proportion": 0.5
    }
   },
   {
    "box": {
     "fontface": 1,
     "fontsize": 14.0,
     "id": "obj-6",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 20.0, 640.0, 23.8 ],
     "text": "An instrument for Max: you play and a model answers, or it plays alone and you steer it."
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-7",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 45.0, 640.0, 20.4 ],
     "text": "In a terminal: hxmx run model.pt hears on port 8000 and plays to port 9000. The model should play notes:"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-8",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 67.0, 640.0, 20.4 ],
     "text": "pitch, velocity and duration, in this order. Double-click noteout to choose who makes the sound."
    }
   },
   {
    "box": {
     "id": "obj-9",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 710.0, 25.0, 80.0, 22.0 ],
     "text": "r hx-model"
    }
   },
   {
    "box": {
     "id": "obj-10",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 710.0, 60.0, 159.0, 22.0 ],
     "text": "udpsend 127.0.0.1 8000"
    }
   },
   {
    "box": {
     "fontface": 1,
     "fontsize": 14.0,
     "id": "obj-11",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 112.0, 60.0, 23.8 ],
     "text": "Play"
    }
   },
   {
    "box": {
     "id": "obj-12",
     "maxclass": "toggle",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "int" ],
     "parameter_enable": 0,
     "patching_rect": [ 30.0, 170.0, 24.0, 24.0 ]
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-13",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 58.0, 172.0, 80.0, 20.4 ],
     "text": "by chance"
    }
   },
   {
    "box": {
     "id": "obj-14",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "bang" ],
     "patching_rect": [ 30.0, 205.0, 73.0, 22.0 ],
     "text": "metro 300"
    }
   },
   {
    "box": {
     "id": "obj-15",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "int" ],
     "patching_rect": [ 30.0, 235.0, 73.0, 22.0 ],
     "text": "random 25"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "int" ],
     "patching_rect": [ 30.0, 265.0, 40.0, 22.0 ],
     "text": "+ 48"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-17",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 150.0, 138.0, 270.0, 20.4 ],
     "text": "Click the keys, or connect a MIDI keyboard."
    }
   },
   {
    "box": {
     "id": "obj-18",
     "maxclass": "kslider",
     "numinlets": 2,
     "numoutlets": 2,
     "offset": 48,
     "outlettype": [ "int", "int" ],
     "parameter_enable": 0,
     "patching_rect": [ 150.0, 165.0, 252.0, 60.0 ],
     "range": 36
    }
   },
   {
    "box": {
     "id": "obj-19",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 2,
     "outlettype": [ "float", "float" ],
     "patching_rect": [ 150.0, 300.0, 113.0, 22.0 ],
     "text": "makenote 80 200"
    }
   },
   {
    "box": {
     "id": "obj-20",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [ "int", "int", "int" ],
     "patching_rect": [ 300.0, 300.0, 54.0, 22.0 ],
     "text": "notein"
    }
   },
   {
    "box": {
     "id": "obj-21",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 0,
     "patching_rect": [ 150.0, 345.0, 60.0, 22.0 ],
     "text": "noteout"
    }
   },
   {
    "box": {
     "id": "obj-22",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 0,
     "patching_rect": [ 380.0, 345.0, 60.0, 22.0 ],
     "text": "noteout"
    }
   },
   {
    "box": {
     "id": "obj-23",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 2,
     "outlettype": [ "", "" ],
     "patching_rect": [ 230.0, 345.0, 73.0, 22.0 ],
     "text": "stripnote"
    }
   },
   {
    "box": {
     "id": "obj-24",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 230.0, 385.0, 67.0, 22.0 ],
     "text": "pack 0 0"
    }
   },
   {
    "box": {
     "id": "obj-25",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 230.0, 420.0, 106.0, 22.0 ],
     "text": "prepend /input"
    }
   },
   {
    "box": {
     "id": "obj-26",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 230.0, 455.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-27",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 20.0, 390.0, 205.0, 20.4 ],
     "text": "You hear yourself at once. An event"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-28",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 20.0, 412.0, 205.0, 20.4 ],
     "text": "for the model is a note that begins:"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-29",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 20.0, 434.0, 205.0, 20.4 ],
     "text": "its pitch, and how hard it was struck."
    }
   },
   {
    "box": {
     "fontface": 1,
     "fontsize": 14.0,
     "id": "obj-30",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 485.0, 112.0, 80.0, 23.8 ],
     "text": "Listen"
    }
   },
   {
    "box": {
     "id": "obj-31",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 490.0, 140.0, 113.0, 22.0 ],
     "text": "udpreceive 9000"
    }
   },
   {
    "box": {
     "id": "obj-32",
     "maxclass": "newobj",
     "numinlets": 4,
     "numoutlets": 4,
     "outlettype": [ "", "", "", "" ],
     "patching_rect": [ 490.0, 170.0, 212.0, 22.0 ],
     "text": "route /output /noteoff /status"
    }
   },
   {
    "box": {
     "id": "obj-33",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 490.0, 210.0, 87.0, 22.0 ],
     "text": "s hx-output"
    }
   },
   {
    "box": {
     "id": "obj-34",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [ "int", "int" ],
     "patching_rect": [ 590.0, 210.0, 47.0, 22.0 ],
     "text": "t i 0"
    }
   },
   {
    "box": {
     "id": "obj-35",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 690.0, 210.0, 87.0, 22.0 ],
     "text": "s hx-status"
    }
   },
   {
    "box": {
     "id": "obj-36",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 0,
     "patching_rect": [ 590.0, 245.0, 60.0, 22.0 ],
     "text": "noteout"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-37",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 655.0, 247.0, 120.0, 20.4 ],
     "text": "ends a note early"
    }
   },
   {
    "box": {
     "id": "obj-38",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 640.0, 285.0, 87.0, 22.0 ],
     "text": "r hx-output"
    }
   },
   {
    "box": {
     "id": "obj-39",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [ "float", "float", "float" ],
     "patching_rect": [ 640.0, 315.0, 113.0, 22.0 ],
     "text": "unpack 0. 0. 0."
    }
   },
   {
    "box": {
     "format": 6,
     "id": "obj-40",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [ "", "bang" ],
     "parameter_enable": 0,
     "patching_rect": [ 640.0, 350.0, 56.0, 22.0 ]
    }
   },
   {
    "box": {
     "format": 6,
     "id": "obj-41",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [ "", "bang" ],
     "parameter_enable": 0,
     "patching_rect": [ 705.0, 350.0, 56.0, 22.0 ]
    }
   },
   {
    "box": {
     "format": 6,
     "id": "obj-42",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [ "", "bang" ],
     "parameter_enable": 0,
     "patching_rect": [ 770.0, 350.0, 56.0, 22.0 ]
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-43",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 830.0, 352.0, 80.0, 20.4 ],
     "text": "in seconds"
    }
   },
   {
    "box": {
     "id": "obj-44",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "float" ],
     "patching_rect": [ 770.0, 385.0, 60.0, 22.0 ],
     "text": "* 1000."
    }
   },
   {
    "box": {
     "id": "obj-45",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 2,
     "outlettype": [ "float", "float" ],
     "patching_rect": [ 640.0, 420.0, 113.0, 22.0 ],
     "text": "makenote 80 300"
    }
   },
   {
    "box": {
     "id": "obj-46",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 0,
     "patching_rect": [ 640.0, 455.0, 60.0, 22.0 ],
     "text": "noteout"
    }
   },
   {
    "box": {
     "id": "obj-47",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 530.0, 350.0, 73.0, 22.0 ],
     "text": "r hx-stop"
    }
   },
   {
    "box": {
     "id": "obj-48",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 530.0, 385.0, 36.0, 22.0 ],
     "text": "stop"
    }
   },
   {
    "box": {
     "id": "obj-49",
     "maxclass": "toggle",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "int" ],
     "parameter_enable": 0,
     "patching_rect": [ 490.0, 250.0, 24.0, 24.0 ]
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-50",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 518.0, 252.0, 68.0, 20.4 ],
     "text": "feed back"
    }
   },
   {
    "box": {
     "id": "obj-51",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 520.0, 285.0, 87.0, 22.0 ],
     "text": "r hx-output"
    }
   },
   {
    "box": {
     "id": "obj-52",
     "maxclass": "newobj",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 490.0, 318.0, 40.0, 22.0 ],
     "text": "gate"
    }
   },
   {
    "box": {
     "id": "obj-53",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 490.0, 420.0, 106.0, 22.0 ],
     "text": "prepend /input"
    }
   },
   {
    "box": {
     "id": "obj-54",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 490.0, 455.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "fontface": 1,
     "fontsize": 14.0,
     "id": "obj-55",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 507.0, 60.0, 23.8 ],
     "text": "Steer"
    }
   },
   {
    "box": {
     "id": "obj-56",
     "items": [ "follow", ",", "loop", ",", "respond", ",", "duet" ],
     "maxclass": "umenu",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [ "int", "", "" ],
     "parameter_enable": 0,
     "patching_rect": [ 30.0, 540.0, 100.0, 22.0 ]
    }
   },
   {
    "box": {
     "id": "obj-57",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 30.0, 575.0, 100.0, 22.0 ],
     "text": "prepend /mode"
    }
   },
   {
    "box": {
     "id": "obj-58",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 30.0, 610.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-59",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 682.0, 200.0, 20.4 ],
     "text": "follow: it answers each note"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-60",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 706.0, 200.0, 20.4 ],
     "text": "loop: alone, you join in"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-61",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 730.0, 200.0, 20.4 ],
     "text": "respond: alone when you rest"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-62",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 25.0, 754.0, 200.0, 20.4 ],
     "text": "duet: alone, you redirect it"
    }
   },
   {
    "box": {
     "id": "obj-63",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 240.0, 540.0, 50.0, 22.0 ],
     "text": "/start"
    }
   },
   {
    "box": {
     "id": "obj-64",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 300.0, 540.0, 50.0, 22.0 ],
     "text": "/pause"
    }
   },
   {
    "box": {
     "id": "obj-65",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 362.0, 540.0, 56.0, 22.0 ],
     "text": "/sample"
    }
   },
   {
    "box": {
     "id": "obj-66",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 430.0, 540.0, 50.0, 22.0 ],
     "text": "/reset"
    }
   },
   {
    "box": {
     "id": "obj-67",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 240.0, 575.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "id": "obj-68",
     "maxclass": "button",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "bang" ],
     "parameter_enable": 0,
     "patching_rect": [ 520.0, 535.0, 30.0, 30.0 ]
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-69",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 512.0, 568.0, 48.0, 20.4 ],
     "text": "panic"
    }
   },
   {
    "box": {
     "id": "obj-70",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [ "bang", "bang" ],
     "patching_rect": [ 480.0, 600.0, 47.0, 22.0 ],
     "text": "t b b"
    }
   },
   {
    "box": {
     "id": "obj-71",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 430.0, 635.0, 50.0, 22.0 ],
     "text": "/panic"
    }
   },
   {
    "box": {
     "id": "obj-72",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 430.0, 670.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "id": "obj-73",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 490.0, 635.0, 73.0, 22.0 ],
     "text": "s hx-stop"
    }
   },
   {
    "box": {
     "fontface": 0,
     "fontsize": 12.0,
     "id": "obj-74",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 240.0, 618.0, 160.0, 20.4 ],
     "text": "temperature: tame to wild"
    }
   },
   {
    "box": {
     "id": "obj-75",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 240.0, 645.0, 120.0, 22.0 ],
     "text": "r hx-temperature"
    }
   },
   {
    "box": {
     "floatoutput": 1,
     "id": "obj-76",
     "maxclass": "slider",
     "numinlets": 1,
     "numoutlets": 1,
     "orientation": 1,
     "outlettype": [ "" ],
     "parameter_enable": 0,
     "patching_rect": [ 240.0, 680.0, 160.0, 20.0 ],
     "size": 2.0
    }
   },
   {
    "box": {
     "id": "obj-77",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 120.0, 645.0, 106.0, 22.0 ],
     "text": "loadmess set 1"
    }
   },
   {
    "box": {
     "format": 6,
     "id": "obj-78",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [ "", "bang" ],
     "parameter_enable": 0,
     "patching_rect": [ 240.0, 708.0, 56.0, 22.0 ]
    }
   },
   {
    "box": {
     "id": "obj-79",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 240.0, 738.0, 146.0, 22.0 ],
     "text": "prepend /temperature"
    }
   },
   {
    "box": {
     "id": "obj-80",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 240.0, 768.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "fontface": 1,
     "fontsize": 14.0,
     "id": "obj-81",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 595.0, 507.0, 80.0, 23.8 ],
     "text": "Status"
    }
   },
   {
    "box": {
     "id": "obj-82",
     "maxclass": "newobj",
     "numinlets": 0,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 600.0, 535.0, 87.0, 22.0 ],
     "text": "r hx-status"
    }
   },
   {
    "box": {
     "id": "obj-83",
     "maxclass": "newobj",
     "numinlets": 5,
     "numoutlets": 5,
     "outlettype": [ "", "", "", "", "" ],
     "patching_rect": [ 600.0, 565.0, 245.0, 22.0 ],
     "text": "route error ready state temperature"
    }
   },
   {
    "box": {
     "id": "obj-84",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 600.0, 605.0, 87.0, 22.0 ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-85",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 600.0, 765.0, 310.0, 22.0 ],
     "text": "no error yet"
    }
   },
   {
    "box": {
     "id": "obj-86",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 3,
     "outlettype": [ "", "int", "int" ],
     "patching_rect": [ 692.0, 605.0, 54.0, 22.0 ],
     "text": "change"
    }
   },
   {
    "box": {
     "id": "obj-87",
     "maxclass": "newobj",
     "numinlets": 3,
     "numoutlets": 3,
     "outlettype": [ "bang", "bang", "" ],
     "patching_rect": [ 692.0, 640.0, 60.0, 22.0 ],
     "text": "sel 0 1"
    }
   },
   {
    "box": {
     "id": "obj-88",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 615.0, 690.0, 73.0, 22.0 ],
     "text": "s hx-stop"
    }
   },
   {
    "box": {
     "id": "obj-89",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 705.0, 690.0, 56.0, 22.0 ],
     "text": "/status"
    }
   },
   {
    "box": {
     "id": "obj-90",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 692.0, 725.0, 80.0, 22.0 ],
     "text": "s hx-model"
    }
   },
   {
    "box": {
     "id": "obj-91",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 800.0, 605.0, 87.0, 22.0 ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-92",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 800.0, 640.0, 90.0, 22.0 ],
     "text": "no model yet"
    }
   },
   {
    "box": {
     "id": "obj-93",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "outlettype": [ "" ],
     "patching_rect": [ 786.0, 690.0, 87.0, 22.0 ],
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-94",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [ 786.0, 725.0, 120.0, 22.0 ],
     "text": "s hx-temperature"
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "destination": [ "obj-10", 0 ],
     "source": [ "obj-9", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-14", 0 ],
     "source": [ "obj-12", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-15", 0 ],
     "source": [ "obj-14", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-16", 0 ],
     "source": [ "obj-15", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-19", 0 ],
     "source": [ "obj-16", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-19", 0 ],
     "source": [ "obj-18", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-19", 1 ],
     "source": [ "obj-18", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-21", 0 ],
     "source": [ "obj-19", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-21", 1 ],
     "source": [ "obj-19", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-23", 0 ],
     "source": [ "obj-19", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-23", 1 ],
     "source": [ "obj-19", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-22", 0 ],
     "source": [ "obj-20", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-22", 1 ],
     "source": [ "obj-20", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-23", 0 ],
     "source": [ "obj-20", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-23", 1 ],
     "source": [ "obj-20", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-24", 0 ],
     "source": [ "obj-23", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-24", 1 ],
     "source": [ "obj-23", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-25", 0 ],
     "source": [ "obj-24", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-26", 0 ],
     "source": [ "obj-25", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-32", 0 ],
     "source": [ "obj-31", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-33", 0 ],
     "source": [ "obj-32", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-34", 0 ],
     "source": [ "obj-32", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-35", 0 ],
     "source": [ "obj-32", 2 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-36", 0 ],
     "source": [ "obj-34", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-36", 1 ],
     "source": [ "obj-34", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-39", 0 ],
     "source": [ "obj-38", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-40", 0 ],
     "source": [ "obj-39", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-41", 0 ],
     "source": [ "obj-39", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-42", 0 ],
     "source": [ "obj-39", 2 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-44", 0 ],
     "source": [ "obj-42", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-45", 0 ],
     "source": [ "obj-40", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-45", 1 ],
     "source": [ "obj-41", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-45", 2 ],
     "source": [ "obj-44", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-46", 0 ],
     "source": [ "obj-45", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-46", 1 ],
     "source": [ "obj-45", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-48", 0 ],
     "source": [ "obj-47", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-45", 0 ],
     "source": [ "obj-48", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-52", 0 ],
     "source": [ "obj-49", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-52", 1 ],
     "source": [ "obj-51", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-53", 0 ],
     "source": [ "obj-52", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-54", 0 ],
     "source": [ "obj-53", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-57", 0 ],
     "source": [ "obj-56", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-58", 0 ],
     "source": [ "obj-57", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-67", 0 ],
     "source": [ "obj-63", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-67", 0 ],
     "source": [ "obj-64", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-67", 0 ],
     "source": [ "obj-65", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-67", 0 ],
     "source": [ "obj-66", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-70", 0 ],
     "source": [ "obj-68", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-71", 0 ],
     "source": [ "obj-70", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-72", 0 ],
     "source": [ "obj-71", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-73", 0 ],
     "source": [ "obj-70", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-76", 0 ],
     "source": [ "obj-77", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-76", 0 ],
     "source": [ "obj-75", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-78", 0 ],
     "source": [ "obj-76", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-79", 0 ],
     "source": [ "obj-78", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-80", 0 ],
     "source": [ "obj-79", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-83", 0 ],
     "source": [ "obj-82", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-85", 0 ],
     "source": [ "obj-84", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-84", 0 ],
     "source": [ "obj-83", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-86", 0 ],
     "source": [ "obj-83", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-87", 0 ],
     "source": [ "obj-86", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-88", 0 ],
     "source": [ "obj-87", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-89", 0 ],
     "source": [ "obj-87", 1 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-90", 0 ],
     "source": [ "obj-89", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-91", 0 ],
     "source": [ "obj-83", 2 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-92", 0 ],
     "source": [ "obj-91", 0 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-93", 0 ],
     "source": [ "obj-83", 3 ]
    }
   },
   {
    "patchline": {
     "destination": [ "obj-94", 0 ],
     "source": [ "obj-93", 0 ]
    }
   }
  ],
  "dependency_cache": [],
  "autosave": 0
 }
}
